import { Stack, Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/**
 * Says to the rules "AWS Solutions" of cdk-nag why a policy needs a wildcard. Each finding is named,
 * so that those of others, on the same role, are still found.
 */
export function acknowledgeWildcard(
  role: IConstruct,
  kind: 'Action' | 'Resource',
  wildcard: string,
  reason: string,
): void {
  const id = `AwsSolutions-IAM5[${kind}::${flatten(Stack.of(role).resolve(wildcard))}]`;
  Validations.of(role).acknowledge({ id, reason });
}

/** Says why the runtime is not always the newest. */
export function acknowledgeRuntime(lambda: IConstruct): void {
  Validations.of(lambda).acknowledge({
    id: 'AwsSolutions-L1',
    reason:
      'The runtime is a prop; its default is one that all tests of the construct have run on.',
  });
}

/** A value as cdk-nag writes it: references in angle brackets. */
function flatten(value: unknown): string {
  if (typeof value === 'string') {
    return value;
  }
  const intrinsic = value as Record<string, unknown>;
  if (Array.isArray(intrinsic['Fn::Join'])) {
    return (intrinsic['Fn::Join'][1] as unknown[]).map(flatten).join('');
  }
  if (Array.isArray(intrinsic['Fn::GetAtt'])) {
    return `<${intrinsic['Fn::GetAtt'].join('.')}>`;
  }
  return typeof intrinsic.Ref === 'string' ? `<${intrinsic.Ref}>` : JSON.stringify(value);
}
