// The words on the page: moving between them, and correcting them in place.

import { level } from "./transcript.js";

/** A pause that begins a new paragraph, and the most words of one. */
const pause = 1.5;
const longest = 80;

export class Words {
  #paragraphs = [];
  #partial = "";
  #partialElement = document.createElement("p");
  #playing = null;
  transcript = null;
  /** The index of the word that the keyboard is at. */
  current = 0;
  /** Called when another word is selected, with its index. */
  onselect = () => {};
  /** Called for a word that is to be played alone, or from which on to play. */
  onplay = () => {};
  ontoggle = () => {};
  /** Called when an edit begins or ends. */
  onedit = () => {};
  /** Called with a sentence on what a key did. */
  onsay = () => {};

  constructor(element) {
    this.element = element;
    this.#partialElement.className = "partial";
    element.addEventListener("click", event => this.#click(event));
    element.addEventListener("dblclick", event => { if (event.target.closest(".word")) this.edit(); });
    element.addEventListener("keydown", event => { if (event.target.closest(".word")) this.#press(event); });
    element.addEventListener("focusin", event => {
      const button = event.target.closest(".word");
      if (button) this.select(this.#index(button));
    });
  }

  get isEditing() { return this.element.querySelector("input") != null; }

  /** Shows a transcript; with nothing said yet, nothing. */
  show(transcript) {
    this.#paragraphs = [];
    this.#partial = "";
    this.#playing = null;
    this.element.replaceChildren();
    this.transcript = transcript;
    this.current = 0;
    this.draw();
  }

  /** Shows the text of words that may still change. */
  partial(text) {
    this.#partial = text;
    this.draw();
  }

  /** Draws what has changed: elements of words that stay are kept, and with them the focus and an open edit. */
  draw() {
    const groups = paragraphs(this.transcript.words);
    this.#partialElement.remove();
    groups.forEach((words, position) => {
      const old = this.#paragraphs[position];
      if (old && old.words.every((word, index) => word == words[index])) {
        old.element.append(...buttons(words.slice(old.words.length)));
        old.words = words;
        return;
      }
      const element = document.createElement("p");
      element.append(...buttons(words));
      if (old) old.element.replaceWith(element); else this.element.append(element);
      this.#paragraphs[position] = { words, element };
    });
    for (const { element } of this.#paragraphs.splice(groups.length)) element.remove();
    this.#partialElement.textContent = this.#partial;
    if (this.#partial) this.element.append(this.#partialElement);
    this.current = Math.max(0, Math.min(this.current, this.transcript.words.length - 1));
    for (const button of this.element.querySelectorAll(".word[tabindex='0']")) button.tabIndex = -1;
    const button = this.#button(this.current);
    if (button) button.tabIndex = 0;
    this.#mark();
  }

  /** Selects a word. */
  select(index) {
    const old = this.#button(this.current);
    if (old) old.tabIndex = -1;
    this.current = index;
    const button = this.#button(index);
    if (button) button.tabIndex = 0;
    this.onselect(index);
  }

  /** Selects a word and moves the keyboard to it. */
  focus(index) {
    this.select(index);
    const button = this.#button(index);
    button?.focus({ preventScroll: true });
    button?.scrollIntoView({ block: "nearest" });
  }

  /** Marks the word that is played; -1 for none. */
  mark(index) {
    this.#playing = this.transcript?.words[index]?.id ?? null;
    this.#mark();
  }

  /** Selects the next word that the model is not sure of, from the beginning again at the end. */
  next() {
    const count = this.transcript.words.length;
    for (let step = 1; step <= count; step++) {
      const index = (this.current + step) % count;
      if (["unsure", "doubtful"].includes(level(this.transcript.words[index]))) return this.focus(index);
    }
    this.onsay("The model is sure of every word, or you have corrected it.");
  }

  join() {
    this.finish();
    if (this.current + 1 >= this.transcript.words.length) return this.onsay("There is no next word to join with.");
    const index = this.transcript.join(this.current);
    this.#settle(index, `Joined: ${this.transcript.words[index].text}.`);
  }

  remove() {
    this.finish();
    if (this.transcript.words.length > 0) this.#rewrite(this.current, "");
  }

  undo() {
    this.finish();
    if (!this.transcript.canUndo) return this.onsay("There is nothing to undo.");
    this.#settle(this.transcript.undo(), "Undone.");
  }

  redo() {
    this.finish();
    if (!this.transcript.canRedo) return this.onsay("There is nothing to redo.");
    this.#settle(this.transcript.redo(), "Repeated.");
  }

  /** Ends an edit as Enter does. */
  finish() { this.element.querySelector("input")?.blur(); }

  /** Puts a field in the place of the current word. */
  edit(caret = null) {
    const index = this.current;
    const button = this.#button(index);
    if (!button) return;
    const word = this.transcript.words[index];
    const field = document.createElement("input");
    field.value = word.text;
    field.setAttribute("aria-label", `Correct ${word.text}`);
    field.autocapitalize = "off";
    field.autocomplete = "off";
    field.spellcheck = false;
    const resize = () => { field.size = Math.max(3, field.value.length + 1); };
    field.oninput = resize;
    resize();
    let isOpen = true;
    const close = text => {
      if (!isOpen) return;
      isOpen = false;
      field.replaceWith(button);
      this.#rewrite(index, text);
      this.onedit();
    };
    const merge = (from, text, at) => {
      isOpen = false;
      field.replaceWith(button);
      this.select(this.transcript.join(from, text));
      this.edit(at);
    };
    field.onblur = () => close(field.value);
    field.onkeydown = event => {
      event.stopPropagation();
      const [start, end] = [field.selectionStart, field.selectionEnd];
      const words = this.transcript.words;
      if (event.isComposing) return;
      if (event.key == "Enter") close(field.value);
      else if (event.key == "Escape") close(word.text);
      else if (event.key == "Backspace" && start == 0 && end == 0 && index > 0) {
        const before = words[index - 1].text;
        merge(index - 1, before + field.value, before.length);
      } else if (event.key == "Delete" && start == field.value.length && index + 1 < words.length) {
        merge(index, field.value + words[index + 1].text, field.value.length);
      } else return;
      event.preventDefault();
    };
    button.replaceWith(field);
    field.focus();
    this.onedit();
    if (caret == null) field.select(); else field.setSelectionRange(caret, caret);
  }

  #rewrite(index, text) {
    const { words } = this.transcript;
    const [old, count] = [words[index], words.length];
    const at = this.transcript.rewrite(index, text);
    const added = words.length - count + 1;
    const news = words.slice(at, at + added).map(word => word.text).join(" ");
    this.#settle(at, words[at] == old ? null : added == 0 ? `Deleted: ${old.text}.` : `${old.text} is now ${news}.`);
  }

  /** Selects the word that a change concerns. The keyboard follows unless it has moved elsewhere on the page. */
  #settle(index, sentence) {
    const at = Math.max(0, Math.min(index, this.transcript.words.length - 1));
    const { activeElement } = document;
    if (activeElement == document.body || this.element.contains(activeElement)) this.focus(at); else this.select(at);
    if (sentence) this.onsay(sentence);
  }

  #click(event) {
    const button = event.target.closest(".word");
    if (!button) return;
    this.focus(this.#index(button));
    this.onplay(this.current, { alone: true });
  }

  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.transcript.words.length - 1;
    switch (event.key) {
      case "ArrowLeft": this.focus(Math.max(0, this.current - 1)); break;
      case "ArrowRight": this.focus(Math.min(last, this.current + 1)); break;
      case "ArrowUp": this.#moveLine(-1); break;
      case "ArrowDown": this.#moveLine(1); break;
      case "Home": this.focus(0); break;
      case "End": this.focus(last); break;
      case "Enter": case "F2": this.edit(); break;
      case " ": this.onplay(this.current, { alone: false }); break;
      case "Delete": case "Backspace": this.remove(); break;
      case "j": case "J": this.join(); break;
      case "n": case "N": this.next(); break;
      default: return;
    }
    event.preventDefault();
  }

  /** Moves to the word above or below: the one of the next line whose middle is nearest. */
  #moveLine(direction) {
    const here = this.#button(this.current).getBoundingClientRect();
    const middle = here.left + here.width / 2;
    let best = null;
    let line = null;
    for (let index = this.current + direction; ; index += direction) {
      const box = this.#button(index)?.getBoundingClientRect();
      if (!box) break;
      if (direction * (box.top - here.top) < here.height / 2) continue;
      line ??= box.top;
      if (Math.abs(box.top - line) > here.height / 2) break;
      const distance = Math.abs(box.left + box.width / 2 - middle);
      if (!best || distance < best.distance) best = { index, distance };
    }
    if (best) this.focus(best.index);
  }

  #mark() {
    for (const old of this.element.querySelectorAll("[aria-current]")) old.removeAttribute("aria-current");
    if (this.#playing == null) return;
    this.element.querySelector(`[data-id="${this.#playing}"]`)?.setAttribute("aria-current", "true");
  }

  #button(index) {
    const word = this.transcript?.words[index];
    return word && this.element.querySelector(`[data-id="${word.id}"]`);
  }

  #index(button) { return this.transcript.words.findIndex(word => word.id == button.dataset.id); }
}

/** Divides words into paragraphs. */
function paragraphs(words) {
  const result = [];
  words.forEach((word, index) => {
    const last = result.at(-1);
    if (!last || last.length >= longest || word.start - words[index - 1].end >= pause) result.push([word]);
    else last.push(word);
  });
  return result;
}

const buttons = words => words.flatMap(word => [button(word), " "]);

function button(word) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = `word ${level(word)}`;
  button.dataset.id = word.id;
  button.tabIndex = -1;
  button.textContent = word.text;
  button.setAttribute("aria-label", `${word.text}, ${described(word)}`);
  button.title = described(word);
  return button;
}

/** What a word is besides its text. */
export function described(word) {
  const sureness = word.corrected ? "corrected" : `confidence ${(100 * word.confidence).toFixed(0)} %`;
  return `${word.start.toFixed(2)} to ${word.end.toFixed(2)} s, ${sureness}`;
}
