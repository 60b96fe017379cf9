import { element, type Markup, round } from '../markup';
import { CHART_HEIGHT, LEFT, PLOT_WIDTH } from './layout';
import { label, line } from './shapes';

/** The vertical axis of a chart: from zero to a round number above the highest value. */
export class ValueAxis {
  public readonly bottom: number;
  private readonly highest: number;

  public constructor(
    private readonly top: number,
    most: number,
    least: number,
  ) {
    this.bottom = top + CHART_HEIGHT;
    const wanted = Math.max(most * 1.05, least);
    const power = 10 ** Math.floor(Math.log10(wanted));
    const factor = [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8].find((candidate) => candidate * power >= wanted);
    this.highest = (factor ?? 10) * power;
  }

  /** Where a value is. */
  public y(value: number): number {
    return this.bottom - (value / this.highest) * CHART_HEIGHT;
  }

  /** The name of the chart, and marks at zero, half and the highest value. */
  public markup(name: string, unit: string): Markup {
    const middle = this.top + CHART_HEIGHT / 2;
    return element(
      'g',
      { class: 'value-axis', 'aria-hidden': 'true' },
      label(14, middle - 2, name, 'name'),
      label(14, middle + 14, unit, 'address'),
      [0, this.highest / 2, this.highest].map((value) => [
        line('grid', LEFT, this.y(value), LEFT + PLOT_WIDTH, this.y(value)),
        label(LEFT - 8, this.y(value) + 4, round(value), 'axis', 'end'),
      ]),
    );
  }
}
