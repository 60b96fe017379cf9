import { element, type Markup } from '../markup';

/** What is striped or hatched: instances that a hook holds, and learners. */
export function patterns(): readonly Markup[] {
  const stripes = (id: string, className: string, size: number, angle: number) =>
    element(
      'pattern',
      {
        id,
        width: size,
        height: size,
        patternUnits: 'userSpaceOnUse',
        patternTransform: `rotate(${angle})`,
      },
      element('rect', { class: className, width: size / 2, height: size }),
    );
  return [
    stripes('launching-stripes', 'launching-stripe', 9, 45),
    stripes('leaving-stripes', 'leaving-stripe', 9, -45),
    stripes('learner-hatch', 'learner-hatch', 5, 45),
  ];
}
