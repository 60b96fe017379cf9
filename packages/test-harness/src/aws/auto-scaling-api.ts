import type { AutoScalingGroup, Effect } from './auto-scaling-group';
import type { GroupInstance } from './group-instance';
import { isoTime } from './iso-time';
import type { ActionReference } from './lifecycle-action';
import {
  globalTimeout,
  type LifecycleActionResult,
  type LifecycleHook,
  type LifecycleTransition,
} from './lifecycle-hook';
import {
  findOperation,
  paginate,
  type QueryRequest,
  writeXml,
  type XmlValue,
} from './query-protocol';
import type { ScalingActivity } from './scaling-activity';
import { type ServiceError, validationError } from './service-error';

/** Version of the Auto Scaling API that is spoken. */
export const AUTO_SCALING_VERSION = '2011-01-01';

const NAMESPACE = `http://autoscaling.amazonaws.com/doc/${AUTO_SCALING_VERSION}/`;

/** What the operations of the service work on. */
export interface AutoScalingState {
  /** Seconds since the epoch. */
  now(): number;
  /** All groups by name. */
  readonly groups: ReadonlyMap<string, AutoScalingGroup>;
  /** Does what a change of a group asks for. */
  apply(effects: readonly Effect[]): void;
}

/** The result element's content; undefined if the operation has no result element. */
type Operation = (request: QueryRequest, state: AutoScalingState) => XmlValue;

const OPERATIONS: Readonly<Record<string, Operation>> = {
  CompleteLifecycleAction(request, state) {
    const group = requiredGroup(request, state);
    const reference = actionReference(request);
    const result = request.requiredString('LifecycleActionResult');
    if (result !== 'CONTINUE' && result !== 'ABANDON') {
      throw validationError(`Lifecycle action result ${result} is not one of CONTINUE, ABANDON`);
    }
    request.rejectUnread();
    state.apply(
      group.completeAction(reference, result satisfies LifecycleActionResult, state.now()),
    );
    return {};
  },

  DescribeAutoScalingGroups(request, state) {
    const names = request.list('AutoScalingGroupNames.member');
    const includeInstances = request.boolean('IncludeInstances') ?? true;
    const groups = [...state.groups.values()].filter(
      (group) => names.length === 0 || names.includes(group.name),
    );
    const page = paginate(groups, request.integer('MaxRecords') ?? 50, request.string('NextToken'));
    request.rejectUnread();
    return {
      AutoScalingGroups: {
        member: page.items.map((group) => describeGroup(group, includeInstances)),
      },
      NextToken: page.nextToken,
    };
  },

  DescribeAutoScalingInstances(request, state) {
    const ids = request.list('InstanceIds.member');
    const instances = [...state.groups.values()]
      .flatMap((group) => group.instances)
      .filter(({ instanceId }) => ids.length === 0 || ids.includes(instanceId));
    const page = paginate(
      instances,
      request.integer('MaxRecords') ?? 50,
      request.string('NextToken'),
    );
    request.rejectUnread();
    return {
      AutoScalingInstances: {
        member: page.items.map((instance) => ({
          ...describeInstance(instance),
          AutoScalingGroupName: instance.groupName,
          // This operation alone shouts the health status (API reference, HealthStatus).
          HealthStatus: instance.healthStatus.toUpperCase(),
        })),
      },
      NextToken: page.nextToken,
    };
  },

  DescribeLifecycleHooks(request, state) {
    const group = requiredGroup(request, state);
    const names = request.list('LifecycleHookNames.member');
    request.rejectUnread();
    return {
      LifecycleHooks: {
        member: group.lifecycleHooks
          .filter(({ name }) => names.length === 0 || names.includes(name))
          .map((hook) => describeHook(group, hook)),
      },
    };
  },

  DescribeScalingActivities(request, state) {
    const name = request.string('AutoScalingGroupName');
    const ids = request.list('ActivityIds.member');
    const groups = name === undefined ? [...state.groups.values()] : [findGroup(name, state)];
    const activities = groups
      .flatMap((group) => group.activities.map((activity) => ({ group, activity })))
      .filter(({ activity }) => ids.length === 0 || ids.includes(activity.activityId))
      .sort((a, b) => b.activity.startTime - a.activity.startTime);
    const page = paginate(
      activities,
      request.integer('MaxRecords') ?? 100,
      request.string('NextToken'),
    );
    request.rejectUnread();
    return {
      Activities: {
        member: page.items.map(({ group, activity }) => describeActivity(group, activity)),
      },
      NextToken: page.nextToken,
    };
  },

  PutLifecycleHook(request, state) {
    const group = requiredGroup(request, state);
    const name = request.requiredString('LifecycleHookName');
    const known = group.lifecycleHooks.find((hook) => hook.name === name);
    const heartbeatTimeout = request.integer('HeartbeatTimeout');
    if (heartbeatTimeout !== undefined && (heartbeatTimeout < 30 || heartbeatTimeout > 7200)) {
      throw validationError(
        `Heartbeat timeout ${heartbeatTimeout} is outside of the range from 30 to 7200 seconds`,
      );
    }
    const transition = request.string('LifecycleTransition') ?? known?.transition;
    if (transition === undefined) {
      throw validationError('A new lifecycle hook needs a lifecycle transition');
    }
    const hook = {
      name,
      // Checked by putHook.
      transition: transition as LifecycleTransition,
      heartbeatTimeout: heartbeatTimeout ?? known?.heartbeatTimeout,
      defaultResult: (request.string('DefaultResult') ?? known?.defaultResult) as
        | LifecycleActionResult
        | undefined,
      notificationMetadata: request.string('NotificationMetadata') ?? known?.notificationMetadata,
      notificationTargetArn:
        request.string('NotificationTargetARN') ?? known?.notificationTargetArn,
      roleArn: request.string('RoleARN') ?? known?.roleArn,
    };
    request.rejectUnread();
    group.putHook(hook);
    return {};
  },

  RecordLifecycleActionHeartbeat(request, state) {
    const group = requiredGroup(request, state);
    const reference = actionReference(request);
    request.rejectUnread();
    state.apply(group.recordHeartbeat(reference, state.now()));
    return {};
  },

  SetDesiredCapacity(request, state) {
    const group = requiredGroup(request, state);
    const capacity = request.requiredInteger('DesiredCapacity');
    // There are no cooldowns, so there is none to honour.
    request.boolean('HonorCooldown');
    request.rejectUnread();
    state.apply(group.setDesiredCapacity(capacity, state.now()));
    return undefined;
  },

  SetInstanceHealth(request, state) {
    const instanceId = request.requiredString('InstanceId');
    const status = request.requiredString('HealthStatus');
    // There is no grace period, so there is none to respect.
    request.boolean('ShouldRespectGracePeriod');
    if (status !== 'Healthy' && status !== 'Unhealthy') {
      throw validationError(`Health status ${status} is not one of Healthy, Unhealthy`);
    }
    request.rejectUnread();
    const group = groupOf(instanceId, state);
    state.apply(group.setInstanceHealth(instanceId, status, state.now()));
    return undefined;
  },

  TerminateInstanceInAutoScalingGroup(request, state) {
    const instanceId = request.requiredString('InstanceId');
    request.requiredString('ShouldDecrementDesiredCapacity');
    const decrement = request.boolean('ShouldDecrementDesiredCapacity') as boolean;
    request.rejectUnread();
    const group = groupOf(instanceId, state);
    const effects = group.terminateInstance(instanceId, decrement, state.now());
    const activity = group.activities.find(
      (candidate) => candidate.instanceId === instanceId,
    ) as ScalingActivity;
    state.apply(effects);
    return { Activity: describeActivity(group, activity) };
  },

  UpdateAutoScalingGroup(request, state) {
    const group = requiredGroup(request, state);
    const sizes = {
      minSize: request.integer('MinSize'),
      maxSize: request.integer('MaxSize'),
      desiredCapacity: request.integer('DesiredCapacity'),
    };
    request.rejectUnread();
    state.apply(group.update(sizes, state.now()));
    return undefined;
  },
};

/** Names of the operations that are implemented. */
export const AUTO_SCALING_ACTIONS: readonly string[] = Object.keys(OPERATIONS);

/**
 * Answers a request.
 *
 * @returns the XML document of a success.
 * @throws ServiceError for an error of the service, see {@link autoScalingError}.
 */
export function answerAutoScaling(
  request: QueryRequest,
  state: AutoScalingState,
  requestId: string,
): string {
  const operation = findOperation(
    OPERATIONS,
    request.action,
    `Could not find operation ${request.action} for version ${AUTO_SCALING_VERSION}`,
  );
  return writeXml(`${request.action}Response`, NAMESPACE, {
    [`${request.action}Result`]: operation(request, state),
    ResponseMetadata: { RequestId: requestId },
  });
}

/** The XML document of an error. */
export function autoScalingError(error: ServiceError, requestId: string): string {
  return writeXml('ErrorResponse', NAMESPACE, {
    Error: {
      Type: error.httpStatus < 500 ? 'Sender' : 'Receiver',
      Code: error.code,
      Message: error.message,
    },
    RequestId: requestId,
  });
}

function findGroup(name: string, state: AutoScalingState): AutoScalingGroup {
  const group = state.groups.get(name);
  if (group === undefined) {
    throw validationError(`AutoScalingGroup name not found - AutoScalingGroup '${name}' not found`);
  }
  return group;
}

function requiredGroup(request: QueryRequest, state: AutoScalingState): AutoScalingGroup {
  return findGroup(request.requiredString('AutoScalingGroupName'), state);
}

function groupOf(instanceId: string, state: AutoScalingState): AutoScalingGroup {
  for (const group of state.groups.values()) {
    if (group.instances.some((instance) => instance.instanceId === instanceId)) {
      return group;
    }
  }
  throw validationError(
    `Instance Id not found - No managed instance found for instance ID: ${instanceId}`,
  );
}

function actionReference(request: QueryRequest): ActionReference {
  return {
    hookName: request.requiredString('LifecycleHookName'),
    token: request.string('LifecycleActionToken'),
    instanceId: request.string('InstanceId'),
  };
}

const LAUNCH_TEMPLATE = {
  LaunchTemplateId: 'lt-0123456789abcdef0',
  LaunchTemplateName: 'local',
  Version: '1',
};

function describeGroup(group: AutoScalingGroup, includeInstances: boolean): XmlValue {
  return {
    AutoScalingGroupName: group.name,
    AutoScalingGroupARN: group.arn,
    LaunchTemplate: LAUNCH_TEMPLATE,
    MinSize: group.minSize,
    MaxSize: group.maxSize,
    DesiredCapacity: group.desiredCapacity,
    DefaultCooldown: 300,
    AvailabilityZones: { member: group.availabilityZones },
    LoadBalancerNames: {},
    TargetGroupARNs: {},
    HealthCheckType: 'EC2',
    HealthCheckGracePeriod: 0,
    Instances: {
      member: includeInstances ? group.instances.map(describeInstance) : [],
    },
    CreatedTime: isoTime(group.createdTime),
    SuspendedProcesses: {},
    VPCZoneIdentifier: '',
    EnabledMetrics: {},
    Tags: {},
    TerminationPolicies: { member: ['Default'] },
    NewInstancesProtectedFromScaleIn: false,
    InstanceLifecyclePolicy:
      group.terminateHookAbandon === undefined
        ? undefined
        : { RetentionTriggers: { TerminateHookAbandon: group.terminateHookAbandon } },
  };
}

function describeInstance(instance: GroupInstance): { readonly [name: string]: XmlValue } {
  return {
    InstanceId: instance.instanceId,
    InstanceType: 't4g.small',
    AvailabilityZone: instance.availabilityZone,
    LifecycleState: instance.lifecycleState,
    HealthStatus: instance.healthStatus,
    LaunchTemplate: LAUNCH_TEMPLATE,
    ProtectedFromScaleIn: false,
  };
}

function describeHook(group: AutoScalingGroup, hook: LifecycleHook): XmlValue {
  return {
    LifecycleHookName: hook.name,
    AutoScalingGroupName: group.name,
    LifecycleTransition: hook.transition,
    NotificationTargetARN: hook.notificationTargetArn,
    RoleARN: hook.roleArn,
    NotificationMetadata: hook.notificationMetadata,
    HeartbeatTimeout: hook.heartbeatTimeout,
    GlobalTimeout: globalTimeout(hook),
    DefaultResult: hook.defaultResult,
  };
}

function describeActivity(group: AutoScalingGroup, activity: ScalingActivity): XmlValue {
  return {
    ActivityId: activity.activityId,
    AutoScalingGroupName: group.name,
    Description: activity.description,
    Cause: activity.cause,
    StartTime: isoTime(activity.startTime),
    EndTime: activity.endTime === undefined ? undefined : isoTime(activity.endTime),
    StatusCode: activity.statusCode,
    StatusMessage: activity.statusMessage,
    Progress: activity.progress,
    Details: activity.details,
    AutoScalingGroupARN: group.arn,
  };
}
