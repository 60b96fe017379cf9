// Lengths are in units of the picture's own coordinates: CSS pixels where it is shown at full width.

export const WIDTH = 1280;

/** The margins of the plot: names stand in the left one, the last words in the right one. */
export const LEFT = 150;
const RIGHT = 110;
export const PLOT_WIDTH = WIDTH - LEFT - RIGHT;

/** Of the time axis, at the top and at the bottom. */
export const AXIS_HEIGHT = 30;

// A band, from top to bottom: the word of the state, the membership, and the leader.
export const STATE_HEIGHT = 17;
export const MEMBER_HEIGHT = 16;
const LEADER_HEIGHT = 19;
export const BAND_HEIGHT = STATE_HEIGHT + MEMBER_HEIGHT + LEADER_HEIGHT;

export const LANE_GAP = 14;
export const CHART_HEIGHT = 84;
