// A session without a language (LANG=C) makes WebKit's language "C", which Intl refuses to format for: libraries that
// ask for it as they load would leave the window white. Must be loaded before them.
try {
  new Intl.Locale(navigator.language);
} catch {
  Object.defineProperty(navigator, 'language', { value: 'en' });
  Object.defineProperty(navigator, 'languages', { value: ['en'] });
}
