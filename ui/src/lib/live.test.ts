import { expect, it } from 'vitest';
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
