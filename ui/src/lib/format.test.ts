import { describe, expect, it } from 'vitest';
import { ago, bytes, commandLine, shortId, splitTag, stamp } from './format';

describe('bytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [1_536_000, '1.54 MB'],
    [99_960_000, '100 MB'],
    [999_600_000, '1.00 GB'],
    [-5, '0 B'],
  ])('%d is %s', (value, text) => expect(bytes(value)).toBe(text));
});

describe('ago', () => {
  it('speaks both languages and never of the future', () => {
    expect(ago(1000, 1180, 'en')).toBe('3 minutes ago');
    expect(ago(1000, 1180, 'zh-CN')).toBe('3分钟前');
    expect(ago(2000, 1000, 'en')).toBe('now');
  });
});

describe('stamp', () => {
  it('is in the person’s zone', () => {
    expect(stamp(new Date(2026, 2, 1, 9, 5, 0, 7).toISOString())).toBe('2026-03-01 09:05:00.007');
    expect(stamp('2026-03-01T10:00:00.000000001Z')).toHaveLength(23);
    expect(stamp('never')).toBe('never');
  });
});

describe('commandLine', () => {
  it('can be pasted into a shell', () => {
    expect(commandLine(['sh', '-c', String.raw`printf '\033[0m'; exit`, ''])).toBe(String.raw`sh -c 'printf '\''\033[0m'\''; exit' ''`);
  });
});

describe('names', () => {
  it('are split at the tag, not at a registry’s port', () => {
    expect(splitTag('localhost:5000/a/b')).toEqual({ name: 'localhost:5000/a/b', tag: '' });
    expect(splitTag('localhost:5000/a/b:c')).toEqual({ name: 'localhost:5000/a/b', tag: 'c' });
    expect(shortId('sha256:0123456789abcdef')).toBe('0123456789ab');
  });
});
