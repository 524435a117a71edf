// Plays a recording, or a single word of it.

// What is heard before and after a word that is played alone, in seconds.
const margin = 0.05;

export class Player {
  #until = null;
  #address = null;
  /** Called as time passes, and after every jump. */
  ontime = () => {};
  /** Called when it starts, stops or cannot play. */
  onstate = () => {};

  constructor(audio) {
    this.audio = audio;
    for (const name of ["play", "pause", "ended", "loadedmetadata", "error"]) {
      audio.addEventListener(name, () => this.onstate());
    }
    for (const name of ["seeked", "pause"]) audio.addEventListener(name, () => this.ontime());
    audio.addEventListener("play", () => this.#follow());
  }

  get time() { return this.audio.currentTime; }
  get isPlaying() { return !this.audio.paused && !this.audio.ended; }
  get isUnplayable() { return this.audio.error != null; }
  get canPlay() { return this.#address != null && !this.isUnplayable; }

  /** Takes a file, or nothing. */
  load(file) {
    this.audio.pause();
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = file ? URL.createObjectURL(file) : null;
    if (this.#address) this.audio.src = this.#address; else this.audio.removeAttribute("src");
    this.audio.load();
  }

  seek(seconds) {
    this.#until = null;
    if (this.canPlay) this.audio.currentTime = Math.max(0, seconds);
  }

  toggle() {
    this.#until = null;
    if (this.isPlaying) this.audio.pause(); else this.#play();
  }

  playFrom(seconds) {
    this.seek(seconds);
    this.#play();
  }

  playWord({ start, end }) {
    this.seek(start - margin);
    this.#until = end + margin;
    this.#play();
  }

  #play() {
    // A refusal shows in the element's error; a pause right after is no failure.
    if (this.canPlay) this.audio.play().catch(() => {});
  }

  // The element's own events come four times a second: too seldom to mark words.
  #follow() {
    const step = () => {
      if (!this.isPlaying) return;
      if (this.#until != null && this.time >= this.#until) {
        this.#until = null;
        return this.audio.pause();
      }
      this.ontime();
      requestAnimationFrame(step);
    };
    step();
  }
}
