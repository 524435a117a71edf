// The picture of a recording: its waveform and its words, with a smaller picture of the whole below.

import { level } from "./transcript.js";

const smallestSpan = 2;
// At first: the words of fluent speech have room for their texts.
const pixelsPerSecond = 120;

export class Waveform {
  transcript = null;
  peaks = null;
  time = 0;
  /** The index of the word that is played, and of the one that is selected; -1 for none. */
  playing = -1;
  selected = -1;
  #start = 0;
  #span = 0;
  #isPending = false;
  /** Called with a time in seconds where a person clicks, drags or presses a key. */
  onseek = () => {};
  /** Called for the space bar. */
  ontoggle = () => {};

  constructor(canvas, overview) {
    Object.assign(this, { canvas, overview });
    this.#listen(canvas, x => this.#start + x * this.#span);
    this.#listen(overview, x => x * this.duration);
    canvas.addEventListener("keydown", event => this.#press(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  get duration() { return this.transcript?.duration ?? 0; }

  /** Shows a recording from its beginning. */
  show(transcript, peaks) {
    Object.assign(this, { transcript, peaks, time: 0, playing: -1, selected: -1 });
    this.#start = 0;
    this.#span = 0;
    this.draw();
  }

  /** Moves to a time; the picture follows page by page, without motion. */
  move(time) {
    this.time = time;
    this.reveal(time);
  }

  /** Makes sure that a time is in the picture. */
  reveal(time) {
    if (time < this.#start || time >= this.#start + this.#span) this.#start = time - 0.05 * this.#span;
    this.draw();
  }

  /** Shows a shorter or longer part of the recording; `factor` is what the time in the picture is multiplied by. */
  zoom(factor) {
    const anchor = this.time >= this.#start && this.time < this.#start + this.#span
      ? this.time : this.#start + this.#span / 2;
    const share = (anchor - this.#start) / this.#span;
    this.#span = Math.max(smallestSpan, this.#span * factor);
    this.#clamp();
    this.#start = anchor - share * this.#span;
    this.draw();
  }

  /** Draws at the next frame, however often it is called until then. */
  draw() {
    if (this.#isPending) return;
    this.#isPending = true;
    requestAnimationFrame(() => {
      this.#isPending = false;
      if (this.transcript && this.canvas.clientWidth > 0) this.#drawAll();
    });
  }

  #listen(canvas, time) {
    const seek = event => {
      const box = canvas.getBoundingClientRect();
      const x = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
      this.onseek(time(x));
    };
    canvas.addEventListener("pointerdown", event => {
      if (event.button != 0) return;
      canvas.setPointerCapture(event.pointerId);
      seek(event);
    });
    canvas.addEventListener("pointermove", event => { if (canvas.hasPointerCapture(event.pointerId)) seek(event); });
  }

  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = {
      ArrowLeft: this.time - 1, ArrowDown: this.time - 1, ArrowRight: this.time + 1, ArrowUp: this.time + 1,
      PageUp: this.time - 10, PageDown: this.time + 10, Home: 0, End: this.duration,
    }[event.key];
    if (to != null) this.onseek(Math.max(0, Math.min(this.duration, to)));
    else if (event.key == " ") this.ontoggle();
    else return;
    event.preventDefault();
  }

  #clamp() {
    this.#span = Math.min(this.#span || this.canvas.clientWidth / pixelsPerSecond, Math.max(this.duration, 0.1));
    this.#start = Math.max(0, Math.min(this.#start, this.duration - this.#span));
  }

  #drawAll() {
    this.#clamp();
    const style = getComputedStyle(this.canvas);
    const color = name => style.getPropertyValue("--" + name).trim();
    const font = `14px ${style.fontFamily}`;
    this.overview.hidden = this.#span >= this.duration;
    const main = context(this.canvas);
    this.#drawSound(main, color, this.#start, this.#span, main.height - 30);
    this.#drawWords(main, color, font);
    if (this.overview.hidden) return;
    const whole = context(this.overview);
    const x = seconds => seconds / this.duration * whole.width;
    whole.pen.fillStyle = color("marked");
    whole.pen.fillRect(x(this.#start), 0, Math.max(2, x(this.#span)), whole.height);
    this.#drawSound(whole, color, 0, this.duration, whole.height);
    whole.pen.strokeStyle = color("accent");
    whole.pen.strokeRect(x(this.#start) + 0.5, 0.5, Math.max(2, x(this.#span)) - 1, whole.height - 1);
  }

  #drawSound({ pen, width, height: whole }, color, start, span, height) {
    if (this.peaks) {
      pen.fillStyle = color("wave");
      for (let x = 0; x < width; x++) {
        const peak = this.peaks.between(start + x / width * span, start + (x + 1) / width * span);
        const tall = Math.max(1, peak * (height - 4));
        pen.fillRect(x, (height - tall) / 2, 1, tall);
      }
    }
    pen.fillStyle = color("accent");
    const x = (this.time - start) / span * width;
    if (x >= 0 && x <= width) pen.fillRect(Math.min(width - 2, Math.max(0, x - 1)), 0, 2, whole);
  }

  // Words have a bar in the colour of their confidence, in full for words that are sure and thinner for others.
  #drawWords({ pen, width, height }, color, font) {
    const words = this.transcript.words;
    const x = seconds => (seconds - this.#start) / this.#span * width;
    const top = height - 30;
    pen.font = font;
    pen.textBaseline = "middle";
    for (let index = Math.max(0, this.transcript.indexBefore(this.#start)); index < words.length; index++) {
      const word = words[index];
      if (word.start > this.#start + this.#span) break;
      const [left, right] = [x(word.start), x(word.end)];
      if (index == this.playing || index == this.selected) {
        pen.globalCompositeOperation = "destination-over";
        pen.fillStyle = color("marked");
        pen.fillRect(left, 0, right - left, height);
        pen.globalCompositeOperation = "source-over";
      }
      pen.fillStyle = color(level(word));
      const bar = { sure: 4, corrected: 4, unsure: 2, doubtful: 1 }[level(word)];
      pen.fillRect(left, top, Math.max(1, right - left - 1), bar);
      const next = index + 1 < words.length ? x(words[index + 1].start) : width;
      // A text that reaches into the next word is cut with an ellipsis; one without room for two letters is left out.
      const text = fitting(pen, word.text, next - left - 4);
      if (text) pen.fillText(text, left, top + 18);
    }
  }
}

function fitting(pen, text, width) {
  if (pen.measureText(text).width <= width) return text;
  const letters = [...text];
  while (letters.length > 2) {
    letters.pop();
    const short = letters.join("") + "…";
    if (pen.measureText(short).width <= width) return short;
  }
  return "";
}

/** Clears a canvas and returns a pen whose unit is a CSS pixel. */
function context(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const scale = devicePixelRatio;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  return { pen, width, height };
}
