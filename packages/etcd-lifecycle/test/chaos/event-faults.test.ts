import { expect, test } from '@jest/globals';
import type { ServiceEvent } from '@quorate/test-harness';
import { EventFaults } from '../../chaos/event-faults';

function event(detailType: string): ServiceEvent {
  return { source: 'aws.autoscaling', detailType, resources: [], time: 1, detail: {} };
}

test('events are lost, doubled, and late behind those that follow', async () => {
  const arrived: string[] = [];
  const faults = new EventFaults(20);
  const sink = faults.wrap(async ({ detailType }) => {
    arrived.push(detailType);
  });
  await sink(event('whole'));
  faults.disturb('events-lost');
  await sink(event('lost'));
  faults.disturb('events-doubled');
  await sink(event('doubled'));
  faults.disturb('events-late');
  await sink(event('late'));
  faults.disturb(undefined);
  await sink(event('following'));
  await faults.settled();
  expect(arrived).toEqual(['whole', 'doubled', 'doubled', 'following', 'late']);
  expect(faults.disturbed).toBe(3);
});

test('a late event that cannot be delivered is told of', async () => {
  const faults = new EventFaults(20);
  faults.disturb('events-late');
  await faults.wrap(async () => {
    throw new Error('no bus');
  })(event('late'));
  await expect(faults.settled()).rejects.toThrow('events that were late were not delivered');
});
