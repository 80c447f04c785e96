/** Relative luminance of `#rrggbb`, as WCAG 2.2 defines it. */
export function luminance(hex: string): number {
  const channel = (at: number): number => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

/** Contrast ratio of two `#rrggbb` colours: 1 to 21. */
export function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** `colour` moved towards black or white until it can be read (AA) on `background`. */
export function readable(colour: string, background: string): string {
  const target = luminance(background) > 0.4 ? 0 : 255;
  let parts = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  const hex = (): string => `#${parts.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
  for (let step = 0; step < 20 && contrast(hex(), background) < 4.5; step++) {
    parts = parts.map((part) => Math.round(part + (target - part) * 0.15));
  }
  return hex();
}
