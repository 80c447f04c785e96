import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { contrast } from '../lib/contrast';

const css = readFileSync('src/styles/tokens.css', 'utf8');

function theme(name: string): Record<string, string> {
  const block = css.split(`[data-theme='${name}'] {`)[1]?.split('}')[0] ?? '';
  return Object.fromEntries([...block.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})/g)].map((m) => [m[1] ?? '', m[2] ?? '']));
}

const text: [string, string[]][] = [
  ['text', ['bg', 'surface', 'raised', 'hover', 'selected', 'code-bg', 'accent-tint', 'good-tint', 'warn-tint', 'bad-tint']],
  ['muted', ['bg', 'surface', 'raised', 'hover', 'selected', 'code-bg', 'accent-tint']],
  ['accent', ['bg', 'surface', 'raised', 'hover', 'selected', 'accent-tint']],
  ['good', ['surface', 'bg', 'hover', 'selected', 'good-tint']],
  ['warn', ['surface', 'bg', 'hover', 'selected', 'warn-tint']],
  ['bad', ['surface', 'bg', 'raised', 'hover', 'selected', 'bad-tint']],
  ['on-accent', ['accent-fill', 'accent-hover']],
  ['on-bad', ['bad-fill']],
  ['on-mark', ['mark', 'mark-current']],
];

describe.each(['light', 'dark'])('%s theme', (name) => {
  const colours = theme(name);
  const colour = (token: string): string => colours[token] ?? expect.fail(`--${token} is not in the ${name} theme`);

  it.each(text.flatMap(([front, backs]) => backs.map((back) => [front, back] as const)))('%s on %s is AA', (front, back) => {
    expect(contrast(colour(front), colour(back))).toBeGreaterThanOrEqual(4.5);
  });

  it.each(Object.keys(theme(name)).filter((token) => token.startsWith('ansi-')))('%s on the log is AA', (token) => {
    expect(contrast(colour(token), colour('code-bg'))).toBeGreaterThanOrEqual(4.5);
  });

  it('borders of controls and chart lines stand out', () => {
    for (const token of ['border-strong', 'chart-1', 'chart-2']) {
      expect(contrast(colour(token), colour('surface'))).toBeGreaterThanOrEqual(3);
    }
  });
});
