import { expect, it } from 'vitest';
import type { Sample } from '../../lib/ipc/types';
import { point } from './rates';

const sample = (second: number, received: number): Sample => ({
  time: `2026-03-01T10:00:0${second}Z`,
  cpu_percent: 5,
  cpus: 2,
  memory: 1,
  memory_limit: 2,
  received,
  sent: 0,
  read: 0,
  written: 0,
  processes: 1,
});

it('counters become rates a second', () => {
  expect(point(sample(4, 3000), sample(2, 1000)).received).toBe(1000);
});

it('there is no rate without a reading before, nor across a restart', () => {
  expect(point(sample(1, 5), undefined).received).toBeNull();
  expect(point(sample(2, 5), sample(1, 9)).received).toBeNull();
  expect(point(sample(1, 9), sample(1, 5)).received).toBeNull();
});
