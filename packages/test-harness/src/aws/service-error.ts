/** An error that an AWS service answers with. */
export class ServiceError extends Error {
  /**
   * @param code for example `ValidationError`.
   * @param message the text of the answer.
   * @param httpStatus default: 400.
   */
  constructor(
    readonly code: string,
    message: string,
    readonly httpStatus = 400,
  ) {
    super(message);
    this.name = 'ServiceError';
  }
}

/** What Auto Scaling answers to nearly every wrong request. */
export function validationError(message: string): ServiceError {
  return new ServiceError('ValidationError', message);
}
