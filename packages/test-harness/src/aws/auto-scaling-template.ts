import type { AutoScalingGroupProps } from './auto-scaling-group-props';
import type { LifecycleHookProps } from './lifecycle-hook';

/** What of a CloudFormation template is read. */
export interface CloudFormationTemplate {
  readonly Resources?: Readonly<
    Record<
      string,
      { readonly Type: string; readonly Properties?: Readonly<Record<string, unknown>> }
    >
  >;
}

/** How to read a group from a template. */
export type AutoScalingGroupFromTemplateProps = Pick<AutoScalingGroupProps, 'name'> &
  Partial<AutoScalingGroupProps>;

/**
 * Reads an Auto Scaling group from a synthesized template: sizes, lifecycle hooks (those of the group
 * and the separate `AWS::AutoScaling::LifecycleHook` resources that refer to it) and instance
 * lifecycle policy.
 *
 * @param template the template, as an object.
 * @param logicalId which resource; undefined if the template has only one group.
 * @param props the physical name, and what replaces or adds to the template.
 * @throws Error if the group is not found, or if a value is known to CloudFormation only.
 */
export function autoScalingGroupFromTemplate(
  template: CloudFormationTemplate,
  logicalId: string | undefined,
  props: AutoScalingGroupFromTemplateProps,
): AutoScalingGroupProps {
  const groups = Object.entries(template.Resources ?? {}).filter(
    ([id, resource]) =>
      resource.Type === 'AWS::AutoScaling::AutoScalingGroup' &&
      (logicalId === undefined || id === logicalId),
  );
  const [found] = groups;
  if (found === undefined || groups.length > 1) {
    throw new Error(
      `The template has ${groups.length} Auto Scaling groups` +
        (logicalId === undefined ? '' : ` with the logical id ${logicalId}`) +
        '; exactly one was expected',
    );
  }
  const [id, { Properties: group = {} }] = found;
  const separate = Object.entries(template.Resources ?? {})
    .filter(
      ([, { Type, Properties }]) =>
        Type === 'AWS::AutoScaling::LifecycleHook' &&
        (Properties?.AutoScalingGroupName as { Ref?: unknown } | undefined)?.Ref === id,
    )
    .map(([hookId, { Properties = {} }]) => readHook({ LifecycleHookName: hookId, ...Properties }));
  const own = ((group.LifecycleHookSpecificationList ?? []) as Record<string, unknown>[]).map(
    readHook,
  );
  const policy = group.InstanceLifecyclePolicy as
    | { RetentionTriggers?: { TerminateHookAbandon?: 'retain' | 'terminate' } }
    | undefined;
  const desired = group.DesiredCapacity;
  return {
    minSize: readNumber('MinSize', group.MinSize),
    maxSize: readNumber('MaxSize', group.MaxSize),
    ...(desired === undefined ? {} : { desiredCapacity: readNumber('DesiredCapacity', desired) }),
    lifecycleHooks: [...own, ...separate],
    terminateHookAbandon: policy?.RetentionTriggers?.TerminateHookAbandon,
    ...props,
  };
}

function readHook(specification: Readonly<Record<string, unknown>>): LifecycleHookProps {
  return {
    name: readText('LifecycleHookName', specification.LifecycleHookName),
    // Checked when the group is made.
    transition: readText(
      'LifecycleTransition',
      specification.LifecycleTransition,
    ) as LifecycleHookProps['transition'],
    ...(specification.HeartbeatTimeout === undefined
      ? {}
      : { heartbeatTimeout: readNumber('HeartbeatTimeout', specification.HeartbeatTimeout) }),
    ...(specification.DefaultResult === undefined
      ? {}
      : {
          defaultResult: readText(
            'DefaultResult',
            specification.DefaultResult,
          ) as LifecycleHookProps['defaultResult'],
        }),
    ...(typeof specification.NotificationMetadata === 'string'
      ? { notificationMetadata: specification.NotificationMetadata }
      : {}),
  };
}

/** CloudFormation takes numbers as text too. */
function readNumber(name: string, value: unknown): number {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof number !== 'number' || Number.isNaN(number)) {
    throw new Error(`${name} is not a literal number in the template: ${JSON.stringify(value)}`);
  }
  return number;
}

function readText(name: string, value: unknown): string {
  if (typeof value !== 'string') {
    throw new Error(`${name} is not literal text in the template: ${JSON.stringify(value)}`);
  }
  return value;
}
