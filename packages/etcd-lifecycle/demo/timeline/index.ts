export type { Timeline, TimelineInstance } from './model';
export { renderTimeline } from './page';
