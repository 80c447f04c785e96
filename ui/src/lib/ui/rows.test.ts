import { expect, it } from 'vitest';
import { readKey } from './rows';

const key = (name: string, more = {}) => ({ key: name, ctrlKey: false, metaKey: false, altKey: false, ...more });

it('the arrows stay in the table', () => {
  expect(readKey(key('ArrowUp'), 0, 5)).toEqual({ kind: 'move', to: 0 });
  expect(readKey(key('ArrowDown'), 4, 5)).toEqual({ kind: 'move', to: 4 });
  expect(readKey(key('PageDown'), 1, 50)).toEqual({ kind: 'move', to: 11 });
  expect(readKey(key('End'), 1, 50)).toEqual({ kind: 'move', to: 49 });
});

it('space selects, enter opens, delete deletes, other keys are not the table’s', () => {
  expect(readKey(key(' '), 0, 1)).toEqual({ kind: 'select' });
  expect(readKey(key('Enter'), 0, 1)).toEqual({ kind: 'open' });
  expect(readKey(key('Delete'), 0, 1)).toEqual({ kind: 'delete' });
  expect(readKey(key('a', { ctrlKey: true }), 0, 1)).toEqual({ kind: 'select-all' });
  expect(readKey(key('a'), 0, 1)).toBeNull();
  expect(readKey(key('ArrowLeft', { altKey: true }), 0, 1)).toBeNull();
});
