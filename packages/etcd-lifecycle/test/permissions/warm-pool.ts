import { forward, StandIn } from './stand-in';

const POOL = '<WarmPoolConfiguration><MinSize>0</MinSize></WarmPoolConfiguration>';
const EMPTY_POOL =
  '<DescribeWarmPoolResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">' +
  `<DescribeWarmPoolResult>${POOL}<Instances/></DescribeWarmPoolResult></DescribeWarmPoolResponse>`;

/** Stands before the local Auto Scaling, and says that each group has a warm pool, an empty one. */
export function withWarmPool(target: string): Promise<StandIn> {
  return StandIn.start(async (asked) => {
    if (new URLSearchParams(asked.body.toString('utf8')).get('Action') === 'DescribeWarmPool') {
      return { status: 200, body: EMPTY_POOL };
    }
    const { status, body } = await forward(target, asked);
    const told = body.toString('utf8');
    return {
      status,
      body: told.replace('</AutoScalingGroupARN>', (end) => `${end}${POOL}`),
    };
  });
}
