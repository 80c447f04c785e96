import { describe, expect, it } from 'vitest';
import { highlight, MOST_SPANS, parse, plain } from './ansi';

const brief = (raw: string): [string, string | null][] => parse(raw).map((span) => [span.text, span.style.fg]);

describe('colours', () => {
  it.each<[string, [string, string | null][]]>([
    ['plain', [['plain', null]]],
    ['\x1b[31mred\x1b[0m not', [['red', 'red'], [' not', null]]],
    ['\x1b[1;92mok\x1b[39m', [['ok', 'bright-green']]],
    ['\x1b[38;5;208morange', [['orange', '#ff8700']]],
    ['\x1b[38;2;1;2;300mrgb', [['rgb', '#0102ff']]],
    ['\x1b[38;5;9;1mx', [['x', 'bright-red']]],
    ['\x1b[m\x1b[Kempty', [['empty', null]]],
  ])('%j', (raw, spans) => expect(brief(raw)).toEqual(spans));

  it('other sequences and control characters are left out', () => {
    expect(plain('\x1b]0;title\x07a\x1b[2Jb\x1b(Bc\x00d\te')).toBe('abcd\te');
  });

  it('what a carriage return overwrote is not shown', () => {
    expect(plain('10%\r20%\r30%')).toBe('30%');
    expect(plain('done\r')).toBe('done');
  });

  it('a line of many colours is drawn in few spans, and none of its text is lost', () => {
    const line = Array.from({ length: 10_000 }, (_, at) => `\x1b[3${at % 8}m${at % 10}`).join('');
    const spans = parse(line);
    expect(spans).toHaveLength(MOST_SPANS);
    expect(spans.map((span) => span.text).join('')).toBe(plain(line));
    expect(highlight(spans, '5').length).toBeLessThanOrEqual(4 * MOST_SPANS);
  });

  it('an escape cut off at the end is no text', () => {
    expect(plain('x\x1b')).toBe('x');
    expect(plain('x\x1b]0;never ended')).toBe('x');
  });
});

describe('highlight', () => {
  const marked = (raw: string, query: string): string =>
    highlight(parse(raw), query)
      .map((span) => (span.found ? `[${span.text}]` : span.text))
      .join('|');

  it('finds in any case and across colours', () => {
    expect(marked('Error: ERROR', 'error')).toBe('[Error]|: |[ERROR]');
    expect(marked('a\x1b[31mb\x1b[0mc', 'bc')).toBe('a|[b]|[c]');
    expect(marked('aaa', 'aa')).toBe('[aa]|a');
    expect(marked('nothing', 'x')).toBe('nothing');
    expect(marked('\x1b[31mab\x1b[32mcd\x1b[33mef', 'bcde')).toBe('a|[b]|[cd]|[e]|f');
    expect(marked('\x1b[31mab\x1b[0mab', 'ab')).toBe('[ab]|[ab]');
  });
});
