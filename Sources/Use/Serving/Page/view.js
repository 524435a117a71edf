// The open recording: its sound, its words, and saving them.

import { count } from "./list.js";
import { mediaType, written } from "./formats.js";
import { peaks } from "./peaks.js";
import { Player } from "./player.js";
import { copy, download } from "./saving.js";
import { level } from "./transcript.js";
import { Waveform } from "./waveform.js";
import { Words } from "./words.js";

const element = id => document.getElementById(id);

export class View {
  recording = null;

  /**
   * Takes the elements of the page.
   *
   * @param say Shows a sentence in the status line.
   */
  constructor(say) {
    this.say = say;
    this.player = new Player(element("player"));
    this.waveform = new Waveform(element("waveform"), element("overview"));
    this.words = new Words(element("words"));
    this.#connectSound();
    this.#connectWords();
    this.#connectSaving();
  }

  /** Opens a recording; nothing closes the view. */
  show(recording) {
    if (recording == this.recording) return;
    this.words.finish();
    this.recording = recording;
    element("transcript").hidden = !recording;
    this.player.load(recording?.file);
    if (!recording) return;
    element("transcript-heading").textContent = recording.name;
    element("times").open = false;
    recording.transcript.onchange = () => this.#changed();
    this.words.show(recording.transcript);
    this.waveform.show(recording.transcript, recording.peaks);
    this.#changed();
    this.#findPeaks(recording);
  }

  /** Shows the text of words that may still change. */
  partial(text) { this.words.partial(text); }

  /** Shows speech while it comes: the end of it is in sight. */
  hear(recording) {
    if (recording != this.recording) return;
    this.waveform.move(recording.transcript.duration);
    this.#showClock();
  }

  /** Takes the sound of speech that has ended. */
  finishSpeech(recording) {
    if (recording != this.recording) return;
    this.player.load(recording.file);
    this.waveform.show(recording.transcript, recording.peaks);
    this.#changed();
  }

  #connectSound() {
    const { player, waveform } = this;
    player.ontime = () => this.#showTime();
    player.onstate = () => this.#showPlayer();
    waveform.onseek = time => player.canPlay ? player.seek(time) : this.#showTime(time);
    waveform.ontoggle = () => player.toggle();
    element("play").onclick = () => player.toggle();
    element("zoom-in").onclick = () => waveform.zoom(1 / 2);
    element("zoom-out").onclick = () => waveform.zoom(2);
  }

  #connectWords() {
    const { words, player, waveform } = this;
    words.onselect = index => {
      waveform.selected = index;
      if (!player.isPlaying) waveform.reveal(this.recording.transcript.words[index]?.start ?? 0);
      waveform.draw();
    };
    words.onplay = (index, { alone }) => {
      const word = this.recording.transcript.words[index];
      if (!player.canPlay) return this.#showTime(word.start);
      if (alone) player.playWord(word);
      else if (player.isPlaying) player.toggle();
      else player.playFrom(word.start);
    };
    words.onsay = this.say;
    words.onedit = () => this.#showUndo();
    for (const name of ["edit", "join", "remove", "undo", "redo", "next"]) {
      // The field of an open edit keeps the focus until the button acts.
      element(name).onpointerdown = event => event.preventDefault();
      element(name).onclick = () => words[name]();
    }
    addEventListener("keydown", event => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || !this.recording) return;
      if (event.target.matches?.("input:not([type=radio], [type=file]), select, textarea")) return;
      const key = event.key.toLowerCase();
      if (key == "z") event.shiftKey ? words.redo() : words.undo();
      else if (key == "y") words.redo();
      else return;
      event.preventDefault();
    });
    element("times").ontoggle = () => this.#showTable();
  }

  #connectSaving() {
    const format = () => new FormData(element("save")).get("format");
    const stem = () => this.recording.name.replace(/\.[^.]*$/, "") || this.recording.name;
    const text = () => {
      this.words.finish();
      this.recording.savedVersion = this.recording.transcript.version;
      return written(this.recording.transcript, format(), this.recording.name);
    };
    element("save").onsubmit = event => {
      event.preventDefault();
      const name = `${stem()}.${format()}`;
      download(new Blob([text()], { type: mediaType(format()) + ";charset=utf-8" }), name);
      this.say(`Saved as ${name}.`);
    };
    element("copy").onclick = async () => {
      const content = text();
      this.say(await copy(content) ? "Copied." : "The browser does not allow copying; download the file.");
    };
    element("download-sound").onclick = () => download(this.recording.file, this.recording.name);
  }

  #changed() {
    const { transcript, isSpeech, file } = this.recording;
    this.words.draw();
    this.waveform.draw();
    const counts = { sure: 0, unsure: 0, doubtful: 0, corrected: 0 };
    for (const word of transcript.words) counts[level(word)]++;
    const parts = Object.entries(counts).filter(([, number]) => number > 0).map(([name, number]) => `${number} ${name}`);
    element("summary").textContent = transcript.words.length == 0
      ? file || !isSpeech ? "No speech was recognized." : "Listening …"
      : `${transcript.duration.toFixed(1)} s, ${count(transcript.words.length, "word")}: ${parts.join(", ")}`;
    this.#showUndo();
    element("tools").hidden = transcript.words.length == 0;
    element("download-sound").hidden = !(isSpeech && file);
    this.#showTable();
    this.#showTime();
    this.#showPlayer();
  }

  #showUndo() {
    const { transcript } = this.recording;
    element("undo").setAttribute("aria-disabled", !transcript.canUndo && !this.words.isEditing);
    element("redo").setAttribute("aria-disabled", !transcript.canRedo);
  }

  #showTime(time = this.player.time) {
    const { transcript, file } = this.recording ?? {};
    // Speech that is still coming has no sound to play; the waveform is at its end.
    if (!transcript || !file) return;
    const playing = this.player.isPlaying || time > 0 ? transcript.indexAt(time) : -1;
    if (playing != this.waveform.playing) {
      this.waveform.playing = playing;
      this.words.mark(playing);
    }
    this.waveform.move(time);
    this.#showClock(time);
    if (this.player.isPlaying) return;
    const word = transcript.words[playing];
    element("waveform").setAttribute("aria-valuemax", transcript.duration.toFixed(2));
    element("waveform").setAttribute("aria-valuenow", time.toFixed(2));
    element("waveform").setAttribute("aria-valuetext",
      `${time.toFixed(1)} of ${transcript.duration.toFixed(1)} s` + (word ? `, ${word.text}` : ""));
  }

  #showClock(time = this.recording.transcript.duration) {
    element("clock").textContent = `${clock(time)} / ${clock(this.recording.transcript.duration)}`;
  }

  #showPlayer() {
    if (!this.recording) return;
    element("play").textContent = this.player.isPlaying ? "Pause" : "Play";
    element("play").hidden = !this.player.canPlay;
    const notes = [
      this.recording.file && this.player.isUnplayable ? "This browser cannot play the recording." : null,
      this.recording.peaksProblem,
    ].filter(note => note);
    element("sound-note").textContent = notes.join(" ");
    element("sound-note").hidden = notes.length == 0;
  }

  async #findPeaks(recording) {
    if (recording.peaks || recording.peaksProblem || !recording.file) return;
    const found = await peaks(recording.file, recording.transcript.duration);
    if (typeof found == "string") recording.peaksProblem = found; else recording.peaks = found;
    if (recording != this.recording) return;
    this.waveform.peaks = recording.peaks;
    this.waveform.draw();
    this.#showPlayer();
  }

  // Built only when it is open: a recording of two hours has 20,000 rows.
  #showTable() {
    const body = element("times").querySelector("tbody");
    body.replaceChildren();
    if (!element("times").open || !this.recording) return;
    for (const word of this.recording.transcript.words) {
      const row = body.insertRow();
      const cells = [
        word.text, word.start.toFixed(2), word.end.toFixed(2),
        word.corrected ? "corrected" : `${(100 * word.confidence).toFixed(0)} %`,
      ];
      for (const cell of cells) row.insertCell().textContent = cell;
    }
  }
}

function clock(seconds) {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - 60 * minutes).toFixed(1).padStart(4, "0")}`;
}
