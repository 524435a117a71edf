// The list of recordings on the page, with their progress.

import { State } from "./recordings.js";

export class List {
  #items = new Map();
  /** Called with the recording that a person opens, removes or sends again. */
  onopen = () => {};
  onremove = () => {};
  onretry = () => {};

  constructor(element) {
    this.element = element;
  }

  /** Draws the recordings; items stay where their recording does, and with them the focus. */
  draw(recordings, open) {
    for (const [recording, item] of this.#items) {
      if (recordings.includes(recording)) continue;
      item.element.remove();
      this.#items.delete(recording);
    }
    for (const recording of recordings) {
      if (!this.#items.has(recording)) this.#items.set(recording, this.#made(recording));
      this.update(recording, open);
    }
  }

  /** Draws what has changed about one recording. */
  update(recording, open) {
    const item = this.#items.get(recording);
    if (!item) return;
    const { state } = recording;
    const isOnItsWay = state == State.uploading || state == State.recognizing;
    item.name.disabled = recording.transcript == null;
    if (recording == open) item.name.setAttribute("aria-current", "true"); else item.name.removeAttribute("aria-current");
    item.state.textContent = described(recording);
    item.state.className = state == State.failed ? "error" : "quiet";
    item.progress.hidden = !isOnItsWay;
    if (state == State.uploading) item.progress.value = recording.sent; else item.progress.removeAttribute("value");
    item.retry.hidden = state != State.failed;
    const verb = state == State.done || state == State.failed ? "Remove" : "Cancel";
    item.remove.textContent = verb;
    item.remove.setAttribute("aria-label", `${verb} ${recording.name}`);
    // What is being spoken ends with the button of the microphone.
    item.remove.hidden = recording.isSpeech && state != State.done;
  }

  #made(recording) {
    const element = document.createElement("li");
    const made = (tag, text, properties = {}) => {
      const child = Object.assign(document.createElement(tag), properties);
      child.textContent = text;
      element.append(child);
      return child;
    };
    const name = made("button", recording.name, { type: "button", className: "name", onclick: () => this.onopen(recording) });
    const state = made("span", "");
    const progress = made("progress", "", { max: 1 });
    progress.setAttribute("aria-label", `Progress of ${recording.name}`);
    const retry = made("button", "Try again", { type: "button", onclick: () => this.onretry(recording) });
    retry.setAttribute("aria-label", `Try again: ${recording.name}`);
    const remove = made("button", "", { type: "button", onclick: () => this.onremove(recording) });
    this.element.append(element);
    return { element, name, state, progress, retry, remove };
  }
}

function described({ state, sent, problem, transcript, isSpeech }) {
  switch (state) {
    case State.waiting: return isSpeech ? "listening" : "waiting";
    case State.uploading: return `uploading, ${Math.floor(100 * sent)} %`;
    case State.recognizing: return "recognizing";
    case State.failed: return problem;
    case State.done: return `${transcript.duration.toFixed(1)} s, ${count(transcript.words.length, "word")}`;
  }
}

/** Returns "1 word" or "2 words". */
export const count = (number, noun) => `${number} ${noun}${number == 1 ? "" : "s"}`;
