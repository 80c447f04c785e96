import { expect, it } from 'vitest';
import { steps, verbs } from './stages';

it('steps before are done, those after wait', () => {
  const shown = steps({ state: 'starting', stage: 'kernel', done: [{ stage: 'image', took: 12 }, { stage: 'vm', took: 340 }] });
  expect(shown.map((step) => `${step.stage} ${step.state} ${step.took}`)).toEqual(['image done 12', 'vm done 340', 'kernel now null', 'engine waiting null']);
});

it('the step that failed is told, and a failure while it ran has none', () => {
  const failed = { state: 'failed', message: '', console: [], advice: '' } as const;
  expect(steps({ ...failed, console: [], stage: 'vm' }).map((step) => step.state)).toEqual(['done', 'failed', 'waiting', 'waiting']);
  expect(steps({ ...failed, console: [], stage: null })).toEqual([]);
  expect(steps({ state: 'stopped' })).toEqual([]);
});

it('a start can be cancelled, and nothing is done to a machine that stops', () => {
  expect(verbs('starting')).toEqual({ start: false, stop: true, restart: false });
  expect(verbs('stopping')).toEqual({ start: false, stop: false, restart: false });
  expect(verbs('failed').start).toBe(true);
  expect(verbs('paused').restart).toBe(true);
});
