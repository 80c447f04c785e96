// The window's words. `text.current.…` is reactive: switching the language redraws what shows it.
import { preferences } from '../preferences.svelte';
import { en } from './en';
import { zhCN } from './zh-CN';

export type Messages = typeof en;
export type Locale = 'en' | 'zh-CN';

const messages: Record<Locale, Messages> = { en, 'zh-CN': zhCN };

function systemLocale(): Locale {
  const wanted = navigator.languages.find((tag) => /^(en|zh)\b/i.test(tag)) ?? 'en';
  return /^zh/i.test(wanted) ? 'zh-CN' : 'en';
}

class Text {
  locale: Locale = $derived(preferences.language === 'system' ? systemLocale() : preferences.language);
  current: Messages = $derived(messages[this.locale]);
}

export const text = new Text();
