import { expect, it } from 'vitest';
import type { Bounds, Limits } from '../lib/ipc/types';
import { fields, GIB, gib, limits, readNumber, same, share, size, wrong } from './limits';

const now: Limits = { cpus: 4, memory: 4 * GIB, disk: 64 * GIB };
const bounds: Bounds = { cpus: 8, least_memory: GIB / 4, most_memory: 16 * GIB, least_disk: 64 * GIB };
const typed = (more: Partial<ReturnType<typeof fields>>): ReturnType<typeof fields> => ({ ...fields(now), ...more });

it('numbers are read as people write them', () => {
  expect(['4', ' 2.5 ', '2,5', '', '-1', '1e3', '4 GB', 'x'].map(readNumber)).toEqual([4, 2.5, 2.5, null, null, null, null, null]);
});

it('limits are whole MiB, and what is not touched stays to the byte', () => {
  expect(fields(now)).toEqual({ cpus: '4', memory: '4', disk: '64' });
  expect(limits(typed({ memory: '2.5' }), now)).toEqual({ ...now, memory: 2.5 * GIB });
  const odd = { ...now, memory: 5_767_168_000 };
  expect(gib(odd.memory)).toBe('5.37');
  expect(limits(fields(odd), odd)).toEqual(odd);
  expect((limits(typed({ memory: '1.001' }), now)?.memory ?? 1) % (1024 * 1024)).toBe(0);
  expect(limits(typed({ cpus: '1.5' }), now)).toBeNull();
  expect(limits(typed({ disk: 'much' }), now)).toBeNull();
});

it('what is wrong is told by its field', () => {
  expect(wrong(fields(now), now, bounds)).toEqual({});
  expect(wrong(typed({ cpus: '0' }), now, bounds)).toEqual({ cpus: 'few' });
  expect(wrong(typed({ cpus: '9' }), now, bounds)).toEqual({ cpus: 'many' });
  expect(wrong(typed({ cpus: '1.5', memory: 'x', disk: '' }), now, bounds)).toEqual({ cpus: 'number', memory: 'number', disk: 'number' });
  expect(wrong(typed({ memory: '0.1' }), now, bounds)).toEqual({ memory: 'few' });
  expect(wrong(typed({ memory: '16.1' }), now, bounds)).toEqual({ memory: 'many' });
  expect(wrong(typed({ disk: '63' }), now, bounds)).toEqual({ disk: 'shrinks' });
  expect(wrong(typed({ disk: '100000' }), now, bounds)).toEqual({ disk: 'many' });
});

it('sizes are told in the units of limits', () => {
  expect([0, 500_000_000, GIB, 1.5 * GIB, 1_200_000_000].map(size)).toEqual(['0 MiB', '477 MiB', '1 GiB', '1.5 GiB', '1.12 GiB']);
});

it('a slider is filled as far as its value is', () => {
  expect([share(1, 1, 5), share(3, 1, 5), share(9, 1, 5), share(0, 1, 5), share(1, 1, 1)]).toEqual([0, 0.5, 1, 0, 1]);
});

it('equal limits are the same', () => {
  expect(same(now, { ...now })).toBe(true);
  expect(same(now, { ...now, cpus: 1 })).toBe(false);
});
