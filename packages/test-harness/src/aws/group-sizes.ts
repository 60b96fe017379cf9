import { validationError } from './service-error';

/** How many instances a group may have, and how many it wants. */
export interface GroupSizes {
  readonly minSize: number;
  readonly maxSize: number;
  readonly desiredCapacity: number;
}

/** @throws ServiceError (ValidationError) if the sizes are no counts or contradict each other. */
export function checkSizes(sizes: GroupSizes): GroupSizes {
  const { minSize, maxSize, desiredCapacity } = sizes;
  for (const size of [minSize, maxSize, desiredCapacity]) {
    if (!Number.isInteger(size) || size < 0) {
      throw validationError(`A group's sizes are whole numbers from 0 on: ${size}`);
    }
  }
  if (minSize > maxSize) {
    throw validationError(
      `Max bound, ${maxSize}, must be greater than or equal to min bound, ${minSize}`,
    );
  }
  if (desiredCapacity < minSize || desiredCapacity > maxSize) {
    throw validationError(
      `Desired capacity:${desiredCapacity} must be between the specified min size:${minSize} and max size:${maxSize}`,
    );
  }
  return sizes;
}

/**
 * Other limits. A desired capacity that is not given moves inside of them.
 *
 * @throws ServiceError (ValidationError) if the sizes contradict each other.
 */
export function changeSizes(sizes: GroupSizes, changes: Partial<GroupSizes>): GroupSizes {
  const minSize = changes.minSize ?? sizes.minSize;
  const maxSize = changes.maxSize ?? sizes.maxSize;
  const desiredCapacity =
    changes.desiredCapacity ?? Math.min(Math.max(sizes.desiredCapacity, minSize), maxSize);
  return checkSizes({ minSize, maxSize, desiredCapacity });
}

/**
 * Another desired capacity.
 *
 * @throws ServiceError (ValidationError) if it is outside of the limits.
 */
export function withDesiredCapacity(sizes: GroupSizes, capacity: number): GroupSizes {
  if (capacity > sizes.maxSize) {
    throw validationError(
      `New SetDesiredCapacity value ${capacity} is above max value ${sizes.maxSize} for the AutoScalingGroup.`,
    );
  }
  if (capacity < sizes.minSize) {
    throw validationError(
      `New SetDesiredCapacity value ${capacity} is below min value ${sizes.minSize} for the AutoScalingGroup.`,
    );
  }
  return { ...sizes, desiredCapacity: capacity };
}

/**
 * One instance less, for one that is terminated without a replacement.
 *
 * @throws ServiceError (ValidationError) if the group would get too small.
 */
export function withOneLess(sizes: GroupSizes): GroupSizes {
  if (sizes.desiredCapacity <= sizes.minSize) {
    throw validationError(
      `Currently, desiredSize equals minSize (${sizes.minSize}). Terminating instance without ` +
        "replacement will violate group's min size constraint. Either set " +
        "shouldDecrementDesiredCapacity flag to false or lower group's min size.",
    );
  }
  return { ...sizes, desiredCapacity: sizes.desiredCapacity - 1 };
}
