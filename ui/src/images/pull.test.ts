import { expect, it } from 'vitest';
import { advance } from './pull';

const step = (layer: string, status: string, current: number | null = null, total: number | null = null) => ({ layer, status, current, total });

it('each layer is where its last step says', () => {
  let layers = advance([], [step('latest', 'Pulling from library/nginx'), step('a', 'Pulling fs layer'), step('b', 'Already exists')]);
  layers = advance(layers, [step('a', 'Downloading', 5, 10), step('', 'Digest: sha256:00')]);
  expect(layers.map((layer) => [layer.id, layer.status, layer.done, layer.finished])).toEqual([
    ['a', 'Downloading', 0.5, false],
    ['b', 'Already exists', 1, true],
  ]);
  expect(advance(layers, [step('a', 'Downloading', 11, 10)])[0]?.done).toBe(1);
  expect(advance(layers, [step('a', 'Pull complete')])[0]?.finished).toBe(true);
});
