// The time of "3 minutes ago", told twice a minute.
class Clock {
  now = $state(Date.now() / 1000);

  constructor() {
    setInterval(() => (this.now = Date.now() / 1000), 30_000);
    // A container made after the last tick isn't from the future.
    document.addEventListener('visibilitychange', () => (this.now = Date.now() / 1000));
  }
}

export const clock = new Clock();
