// The keyboard of every table, in one place: one row is in the tab order, the arrows move between rows.

/** What a key asks of a table. */
export type RowKey =
  | { kind: 'move'; to: number }
  | { kind: 'select' }
  | { kind: 'select-all' }
  | { kind: 'open' }
  | { kind: 'delete' }
  | { kind: 'clear' };

/** How many rows Page Up and Page Down move. */
const PAGE = 10;

/** Reads a key pressed on the row at `at` of `count`; `null` for keys that aren't the table's. */
export function readKey(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey'>, at: number, count: number): RowKey | null {
  if (event.altKey) return null;
  if (event.ctrlKey || event.metaKey) return event.key.toLowerCase() === 'a' ? { kind: 'select-all' } : null;
  const move = (to: number): RowKey => ({ kind: 'move', to: Math.min(count - 1, Math.max(0, to)) });
  switch (event.key) {
    case 'ArrowDown':
      return move(at + 1);
    case 'ArrowUp':
      return move(at - 1);
    case 'PageDown':
      return move(at + PAGE);
    case 'PageUp':
      return move(at - PAGE);
    case 'Home':
      return move(0);
    case 'End':
      return move(count - 1);
    case ' ':
      return { kind: 'select' };
    case 'Enter':
      return { kind: 'open' };
    case 'Delete':
      return { kind: 'delete' };
    case 'Escape':
      return { kind: 'clear' };
    default:
      return null;
  }
}
