import { describe, expect, it } from 'vitest';
import { ago, bytes, shortId, splitTag } from './format';

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

describe('names', () => {
  it('are split at the tag, not at a registry’s port', () => {
    expect(splitTag('localhost:5000/a/b')).toEqual({ name: 'localhost:5000/a/b', tag: '' });
    expect(splitTag('localhost:5000/a/b:c')).toEqual({ name: 'localhost:5000/a/b', tag: 'c' });
    expect(shortId('sha256:0123456789abcdef')).toBe('0123456789ab');
  });
});
