import { describe, expect, it } from 'vitest';
import type { LogLine } from '../../lib/ipc/types';
import { LogBuffer, MOST } from './buffer';
import { Heights } from './heights';

const line = (text: string): LogLine => ({ time: 'T', stderr: false, text });

describe('heights', () => {
  it('agree with a plain sum, whatever is measured', () => {
    const heights = new Heights(20);
    const plain: number[] = [];
    const check = (): void => {
      let y = 0;
      plain.forEach((height, at) => {
        expect(heights.top(at)).toBe(y);
        expect(heights.at(y)).toBe(at);
        expect(heights.at(y + height - 1)).toBe(at);
        y += height;
      });
      expect(heights.total).toBe(y);
    };
    for (const count of [1, 2, 7, 64, 65]) {
      heights.resize(count);
      while (plain.length < count) plain.push(20);
      for (const at of [0, count >> 1, count - 1]) {
        plain[at] = 20 * (1 + ((at * 7) % 5));
        heights.set(at, plain[at]);
      }
      check();
    }
    heights.drop(10);
    plain.splice(0, 10);
    check();
    heights.resize(heights.count, true);
    plain.fill(20);
    check();
    expect(heights.at(1e9)).toBe(plain.length - 1);
  });

  it('of no rows are nothing', () => {
    const heights = new Heights(20);
    expect([heights.total, heights.at(5)]).toEqual([0, 0]);
  });
});

describe('buffer', () => {
  it('keeps the newest and keeps what the search found', () => {
    const buffer = new LogBuffer();
    buffer.search('X');
    buffer.append(Array.from({ length: MOST }, (_, at) => line(at % 1000 === 999 ? `\x1b[31mx${at}` : 'y')));
    expect(buffer.matches).toHaveLength(100);
    const dropped = buffer.append(Array.from({ length: 6000 }, () => line('y')));
    expect([dropped, buffer.dropped, buffer.lines.length]).toEqual([{ lines: 6000, matches: 6 }, 6000, MOST]);
    expect(buffer.matches).toHaveLength(94);
    expect(buffer.lines[buffer.matches[0] ?? 0]?.plain).toBe('x6999');
  });

  it('searches what is there and what comes', () => {
    const buffer = new LogBuffer();
    buffer.append([line('one'), line('two')]);
    buffer.search('o');
    buffer.append([line('zero'), line('six')]);
    expect(buffer.matches).toEqual([0, 1, 2]);
    buffer.search('');
    expect(buffer.matches).toEqual([]);
    expect(buffer.text(true)).toBe('T one\nT two\nT zero\nT six\n');
  });
});
