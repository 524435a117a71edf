// The words of a recording with their times, and what a person corrects in them. Nothing here touches the page.

/** How sure the model is of a word: "sure", "unsure" or "doubtful"; "corrected" if a person wrote it. */
export function level(word) {
  if (word.corrected) return "corrected";
  return word.confidence >= 0.9 ? "sure" : word.confidence >= 0.6 ? "unsure" : "doubtful";
}

// Times are multiples of a sample; this rounding removes only the noise of floating-point numbers.
const exactSeconds = seconds => Math.round(seconds * 1e7) / 1e7;

export class Transcript {
  #done = [];
  #undone = [];
  #nextID = 0;
  /** Called after every change. */
  onchange = () => {};

  /**
   * Makes a transcript.
   *
   * @param result The JSON of `/v1/transcribe`, or nothing for speech that is yet to come.
   */
  constructor(result = {}) {
    this.duration = result.duration ?? 0;
    this.confidence = result.confidence;
    this.words = this.#made(result.words ?? []);
    this.separator = separator(result);
  }

  get text() { return this.words.map(word => word.text).join(this.separator); }
  get canUndo() { return this.#done.length > 0; }
  get canRedo() { return this.#undone.length > 0; }
  /** Identifies the last correction, so that a page can tell whether there are unsaved ones. */
  get version() { return this.#done.at(-1); }

  /** Appends words that were recognized. No correction shifts: they only change what is before. */
  append(words) {
    this.words.push(...this.#made(words));
    this.onchange();
  }

  /**
   * Replaces the text of a word. Text with spaces makes several words, which divide the time by their letters; no text
   * deletes the word.
   *
   * @returns The index of the first word that is changed, or where the deleted one was.
   */
  rewrite(index, text) {
    const word = this.words[index];
    const texts = text.split(/\s+/u).filter(part => part != "");
    if (texts.length == 1 && texts[0] == word.text) return index;
    return this.#replace(index, 1, split(word, texts));
  }

  /** Joins a word with the next one: one word, without a space, from the start of the first to the end of the second. */
  join(index, text = this.words[index].text + this.words[index + 1].text) {
    const [first, second] = this.words.slice(index, index + 2);
    return this.#replace(index, 2, [{ text, start: first.start, end: second.end, confidence: 1, corrected: true }]);
  }

  /** Undoes the last correction. Returns the index of the first word that it concerns. */
  undo() {
    const change = this.#done.pop();
    this.#undone.push(change);
    return this.#splice(change.index, change.inserted.length, change.removed);
  }

  /** Repeats the correction that was undone last. */
  redo() {
    const change = this.#undone.pop();
    this.#done.push(change);
    return this.#splice(change.index, change.removed.length, change.inserted);
  }

  /** Returns the index of the word at a time, or -1 between words. */
  indexAt(seconds) {
    const index = this.indexBefore(seconds);
    return index >= 0 && seconds < this.words[index].end ? index : -1;
  }

  /** Returns the index of the last word that has begun at a time, or -1. */
  indexBefore(seconds) {
    let [low, high] = [0, this.words.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.words[middle].start <= seconds) low = middle + 1; else high = middle;
    }
    return low - 1;
  }

  #made(words) {
    return words.map(({ text, start, end, confidence, corrected = false }) =>
      ({ id: this.#nextID++, text, start, end, confidence, corrected }));
  }

  #replace(index, count, words) {
    const change = { index, removed: this.words.slice(index, index + count), inserted: this.#made(words) };
    this.#done.push(change);
    this.#undone = [];
    return this.#splice(index, count, change.inserted);
  }

  #splice(index, count, words) {
    this.words.splice(index, count, ...words);
    this.onchange();
    return index;
  }
}

/** What the model writes between words: a space, or nothing in some scripts. */
function separator({ text, words }) {
  if (!text || words.length < 2) return " ";
  const start = words[0].text.length;
  const found = text.slice(start, text.indexOf(words[1].text, start));
  return words.map(word => word.text).join(found) == text ? found : " ";
}

function split(word, texts) {
  const letters = texts.reduce((sum, text) => sum + text.length, 0);
  const at = count => exactSeconds(word.start + (word.end - word.start) * count / letters);
  let before = 0;
  return texts.map(text => {
    const start = at(before);
    before += text.length;
    return { text, start, end: at(before), confidence: 1, corrected: true };
  });
}
