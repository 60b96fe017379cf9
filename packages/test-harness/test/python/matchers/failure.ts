/** The message of an assertion that must fail, without colors. */
export function failureOf(assertion: () => unknown): string {
  let failure: unknown;
  try {
    assertion();
  } catch (error) {
    failure = error;
  }
  if (!(failure instanceof Error)) {
    throw new Error('the assertion did not fail');
  }
  return failure.message.replaceAll(/\p{Cc}\[\d+m/gu, '');
}
