// What a log line says in colour: SGR sequences become spans, every other control sequence is left out.

/** The sixteen colours by name; each is a token (`--ansi-…`). */
const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;

export interface Style {
  /** A token's name without `--ansi-`, or `#rrggbb`. */
  fg: string | null;
  bg: string | null;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
}

export interface Span {
  text: string;
  style: Style;
  /** Whether the search found it. */
  found: boolean;
}

/** Spans drawn of a line, and matches marked in it: a program that colours each letter must not stop the window. */
export const MOST_SPANS = 400;

const PLAIN: Style = { fg: null, bg: null, bold: false, dim: false, italic: false, underline: false, inverse: false };

// CSI, OSC (ended by BEL or ST), and shorter escapes; then other control characters but the tab.
// eslint-disable-next-line no-control-regex -- control characters are what this is about
const SEQUENCE = /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b-\x1f\x7f]/g;

/** A line as a terminal leaves it: what a carriage return overwrote is not shown. */
function settled(raw: string): string {
  const at = raw.lastIndexOf('\r');
  return at < 0 ? raw : raw.slice(at + 1) || raw.slice(0, at).slice(raw.lastIndexOf('\r', at - 1) + 1);
}

/** The line's text alone: what is searched and copied. */
export function plain(raw: string): string {
  return settled(raw).replace(SEQUENCE, '');
}

/** The line in spans of one style each. What comes after {@link MOST_SPANS} of them is all in one style. */
export function parse(raw: string): Span[] {
  const line = settled(raw);
  const spans: Span[] = [];
  let style = PLAIN;
  let from = 0;
  const push = (text: string): void => {
    if (text) spans.push({ text, style, found: false });
  };
  for (const match of line.matchAll(SEQUENCE)) {
    if (spans.length >= MOST_SPANS - 1) {
      push(line.slice(from).replace(SEQUENCE, ''));
      return spans;
    }
    push(line.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[2] === 'm') style = apply(style, match[1] ?? '');
  }
  push(line.slice(from));
  return spans;
}

function apply(before: Style, parameters: string): Style {
  const style = { ...before };
  const codes = parameters.split(/[;:]/).map((code) => Number(code || 0));
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === 0) Object.assign(style, PLAIN);
    else if (code === 1) style.bold = true;
    else if (code === 2) style.dim = true;
    else if (code === 3) style.italic = true;
    else if (code === 4) style.underline = true;
    else if (code === 7) style.inverse = true;
    else if (code === 22) style.bold = style.dim = false;
    else if (code === 23) style.italic = false;
    else if (code === 24) style.underline = false;
    else if (code === 27) style.inverse = false;
    else if (code >= 30 && code <= 37) style.fg = NAMES[code - 30] ?? null;
    else if (code === 39) style.fg = null;
    else if (code >= 40 && code <= 47) style.bg = NAMES[code - 40] ?? null;
    else if (code === 49) style.bg = null;
    else if (code >= 90 && code <= 97) style.fg = `bright-${NAMES[code - 90] ?? 'black'}`;
    else if (code >= 100 && code <= 107) style.bg = `bright-${NAMES[code - 100] ?? 'black'}`;
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes.slice(at + 1));
      style[code === 38 ? 'fg' : 'bg'] = colour;
      at += used;
    }
  }
  return style;
}

/** `5;n` or `2;r;g;b`, and how many numbers that took. */
function extended(codes: number[]): [string | null, number] {
  const hex = (...parts: number[]): string => `#${parts.map((part) => Math.min(255, Math.max(0, part | 0)).toString(16).padStart(2, '0')).join('')}`;
  if (codes[0] === 2) return [hex(codes[1] ?? 0, codes[2] ?? 0, codes[3] ?? 0), 4];
  if (codes[0] !== 5) return [null, 0];
  const n = codes[1] ?? 0;
  if (n < 8) return [NAMES[n] ?? null, 2];
  if (n < 16) return [`bright-${NAMES[n - 8] ?? 'black'}`, 2];
  if (n >= 232) return [hex(8 + (n - 232) * 10, 8 + (n - 232) * 10, 8 + (n - 232) * 10), 2];
  const step = (value: number): number => (value === 0 ? 0 : 55 + value * 40);
  return [hex(step(Math.floor((n - 16) / 36)), step(Math.floor(((n - 16) % 36) / 6)), step((n - 16) % 6)), 2];
}

/** Cuts spans at what `query` (lower case) finds, across their borders. */
export function highlight(spans: Span[], query: string): Span[] {
  if (!query) return spans;
  const whole = spans.map((span) => span.text).join('').toLowerCase();
  const found: [number, number][] = [];
  for (let at = whole.indexOf(query); at >= 0 && found.length < MOST_SPANS; at = whole.indexOf(query, at + query.length)) {
    found.push([at, at + query.length]);
  }
  if (found.length === 0) return spans;
  const cut: Span[] = [];
  let offset = 0;
  let next = 0;
  for (const span of spans) {
    let at = 0;
    const push = (to: number, is: boolean): void => {
      if (to > at) cut.push({ ...span, text: span.text.slice(at, to), found: is });
      at = Math.max(at, to);
    };
    for (let match = found[next]; match && match[0] < offset + span.text.length; match = found[next]) {
      push(match[0] - offset, false);
      push(Math.min(span.text.length, match[1] - offset), true);
      // One that goes on in the next span is looked at again there.
      if (match[1] > offset + span.text.length) break;
      next += 1;
    }
    push(span.text.length, false);
    offset += span.text.length;
  }
  return cut;
}
