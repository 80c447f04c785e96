// What the person chose, kept in the web view's storage.

export type Theme = 'system' | 'light' | 'dark';
export type Language = 'system' | 'en' | 'zh-CN';

function stored<T extends string>(key: string, allowed: readonly T[], otherwise: T): T {
  const value = localStorage.getItem(key);
  return allowed.find((candidate) => candidate === value) ?? otherwise;
}

const systemDark = matchMedia('(prefers-color-scheme: dark)');

class Preferences {
  theme = $state<Theme>(stored('theme', ['system', 'light', 'dark'], 'system'));
  language = $state<Language>(stored('language', ['system', 'en', 'zh-CN'], 'system'));
  getStarted = $state<'shown' | 'hidden'>(stored('getStarted', ['shown', 'hidden'], 'shown'));
  #systemDark = $state(systemDark.matches);

  /** The theme that is drawn. */
  drawn: 'light' | 'dark' = $derived(
    this.theme === 'system' ? (this.#systemDark ? 'dark' : 'light') : this.theme,
  );

  constructor() {
    systemDark.addEventListener('change', (event) => (this.#systemDark = event.matches));
  }

  keep(): void {
    localStorage.setItem('theme', this.theme);
    localStorage.setItem('language', this.language);
    localStorage.setItem('getStarted', this.getStarted);
  }
}

export const preferences = new Preferences();
