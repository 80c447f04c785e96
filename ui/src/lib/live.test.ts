import { expect, it } from 'vitest';
import { coalesced } from './coalesced';
import { LiveList } from './live.svelte';

it('a burst of events makes one more load, and the last one wins', async () => {
  const answers = [['old'], ['new']];
  let loads = 0;
  const gates: (() => void)[] = [];
  const list = new LiveList(
    () =>
      new Promise<string[]>((resolve) => {
        const answer = answers[loads++] ?? ['too many'];
        gates.push(() => resolve(answer));
      }),
    ['container'],
  );
  const first = list.refresh();
  for (let n = 0; n < 5; n++) list.notice({ kind: 'container', action: 'start', id: 'a' });
  list.notice({ kind: 'image', action: 'pull', id: 'b' });
  gates[0]?.();
  await Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve));
  gates[1]?.();
  await first;
  expect(loads).toBe(2);
  expect(list.rows).toEqual(['new']);
});

it('a failure is told, and forgotten by the next success', async () => {
  let fail = true;
  const list = new LiveList(async () => {
    if (fail) throw { code: 'engine_away', message: 'gone' };
    return [1];
  }, []);
  await list.refresh();
  expect([list.phase, list.error?.code]).toEqual(['failed', 'engine_away']);
  fail = false;
  await list.refresh();
  expect([list.phase, list.error]).toEqual(['ready', null]);
});

it('what comes after the engine went away is not shown', async () => {
  const gates: ((rows: string[]) => void)[] = [];
  const list = new LiveList(() => new Promise<string[]>((resolve) => gates.push(resolve)), []);
  const before = list.refresh();
  list.forget();
  const after = list.refresh();
  gates[0]?.(['of the engine before']);
  await new Promise((resolve) => setTimeout(resolve));
  expect([list.phase, list.rows]).toEqual(['loading', []]);
  gates[1]?.(['of this one']);
  await Promise.all([before, after]);
  expect([list.phase, list.rows]).toEqual(['ready', ['of this one']]);
});

it('a load that fails whole does not keep the next one from running', async () => {
  let runs = 0;
  const work = coalesced(async () => {
    runs += 1;
    if (runs === 1) throw new Error('once');
  });
  await expect(work()).rejects.toThrow('once');
  await work();
  expect(runs).toBe(2);
});
