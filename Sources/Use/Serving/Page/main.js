// The page: what a person gives it, and where the results go.

import { count, List } from "./list.js";
import { Peaks } from "./peaks.js";
import { Recording, Recordings, State } from "./recordings.js";
import { Server } from "./server.js";
import { Speech } from "./speech.js";
import { level, Transcript } from "./transcript.js";
import { View } from "./view.js";

const element = id => document.getElementById(id);

const server = new Server();
const recordings = new Recordings(server);
const list = new List(element("list"));
const view = new View(say);

// The recording that is shown as soon as it is recognized: the first of those that were added last.
let awaited = null;
let speech = null;
let speeches = 0;

function say(sentence, isError = false) {
  element("status").textContent = sentence;
  element("status").className = isError ? "error" : "";
}

/** Reads a recognized text aloud to those who use a screen reader; of a long one, the beginning. */
function announce(text) {
  const line = document.createElement("p");
  line.textContent = text.length > 500 ? text.slice(0, 500) + " …" : text;
  element("announcements").replaceChildren(line);
}

function open(recording) {
  view.show(recording);
  list.draw(recordings.all, recording);
}

// --- Files

function add(files) {
  if (files.length == 0) return;
  const added = [...files].map(file => new Recording(file.name, file));
  awaited = added[0];
  say(`Transcribing ${added.length == 1 ? added[0].name : count(added.length, "recording")} …`);
  recordings.add(...added);
}

element("files").onchange = event => {
  add(event.target.files);
  // The same file can be chosen again.
  event.target.value = "";
};

const hasFiles = event => event.dataTransfer?.types.includes("Files");
addEventListener("dragover", event => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  element("drop").classList.add("over");
});
addEventListener("dragleave", event => { if (!event.relatedTarget) element("drop").classList.remove("over"); });
addEventListener("drop", event => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  element("drop").classList.remove("over");
  add(event.dataTransfer.files);
});

// --- Their way to the server

recordings.onchange = recording => {
  element("list-section").hidden = recordings.all.length == 0;
  if (!recording) return list.draw(recordings.all, view.recording);
  if (recording.state == State.done && !(recording.transcript instanceof Transcript)) finish(recording);
  if (recording.state == State.failed) {
    const { name, problem } = recording;
    say(problem.startsWith(name) ? problem : `${name}: ${problem}`, true);
    if (recording.needsKey) askForKey();
  }
  list.update(recording, view.recording);
};

function finish(recording) {
  recording.transcript = new Transcript(recording.transcript);
  recording.savedVersion = recording.transcript.version;
  const { words, text } = recording.transcript;
  const unsure = words.filter(word => level(word) != "sure").length;
  say(words.length == 0
    ? `${recording.name}: no speech was recognized.`
    : `${recording.name}: ${count(words.length, "word")}, ${unsure == 0 ? "all of them sure" : `${unsure} to check`}.`);
  if (recording != awaited && view.recording) return;
  announce(text);
  open(recording);
}

list.onopen = recording => {
  open(recording);
  element("transcript-heading").focus();
};
list.onretry = recording => {
  awaited = recording;
  recordings.retry(recording);
};
list.onremove = recording => {
  if (recording.isUnsaved && !confirm(`${recording.name} has text that is not saved. Remove it?`)) return;
  forget(recording);
  say(`Removed ${recording.name}.`);
  element("files").focus();
};

function forget(recording) {
  recordings.remove(recording);
  if (recording == view.recording) open(recordings.all.findLast(({ state }) => state == State.done) ?? null);
}

addEventListener("beforeunload", event => {
  if (speech || recordings.all.some(recording => recording.isUnsaved)) event.preventDefault();
});

// --- Speech

element("speak").onclick = () => speech ? speech.end() : listen();

async function listen() {
  const recording = new Recording(`speech-${++speeches}.wav`);
  const transcript = new Transcript();
  Object.assign(recording, { transcript, peaks: new Peaks() });
  const session = new Speech(server, {
    heard: samples => {
      recording.peaks.append(samples, session.rate, 32_768);
      transcript.duration = session.seconds;
      view.hear(recording);
    },
    event: ({ event, text, words }) => {
      if (recording == view.recording) view.partial(event == "partial" ? text : "");
      if (event != "final") return;
      transcript.append(words);
      announce(text);
    },
    ended: problem => {
      endListening();
      if (session.seconds == 0) {
        forget(recording);
        return say(problem ?? "Nothing was heard.", true);
      }
      recording.state = State.done;
      transcript.duration = session.seconds;
      recording.file = session.file(recording.name);
      if (recording == view.recording) view.partial("");
      view.finishSpeech(recording);
      list.update(recording, view.recording);
      if (problem) say(problem, true);
      else say(`${recording.name}: ${count(transcript.words.length, "word")}.`);
    },
  });
  speech = session;
  element("speak").textContent = "Stop";
  element("speak").classList.add("listening");
  say("Opening the microphone …");
  try {
    // A browser does not tell why a WebSocket is refused: this request does.
    await server.models();
    await session.begin();
  } catch (error) {
    endListening();
    if (error.status == 401) askForKey();
    return say(error.message, true);
  }
  say("Listening …");
  awaited = null;
  recordings.add(recording);
  open(recording);
}

function endListening() {
  speech = null;
  element("speak").textContent = "Speak";
  element("speak").classList.remove("listening");
}

// --- Key and models

function askForKey() {
  element("key-form").hidden = false;
  element("key").focus();
}

element("key-form").onsubmit = async event => {
  event.preventDefault();
  server.key = element("key").value.trim();
  if (!await showModels()) return;
  element("key-form").hidden = true;
  element("key").value = "";
  element("files").focus();
  say("The server accepts the key.");
  for (const recording of recordings.all.filter(({ needsKey }) => needsKey)) recordings.retry(recording);
};

/** Shows the choice of models, if there is one. Returns whether the server answered. */
async function showModels() {
  let models;
  try {
    models = await server.models();
  } catch (error) {
    say(error.message, true);
    if (error.status == 401) askForKey();
    return false;
  }
  element("model").replaceChildren(...models.map(name => new Option(name)));
  element("model-field").hidden = models.length < 2;
  server.model = models.length < 2 ? null : models[0];
  return true;
}

element("model").onchange = event => { server.model = event.target.value; };

async function begin(isAgain = false) {
  const facts = await server.facts();
  if (!facts) return say("The server does not answer; load this page again when it is running.", true);
  element("facts").textContent =
    // Without a key, a server that requires one reports only its status.
    facts.model
      ? [facts.model, facts.device, facts.precision, facts.decoder, `wav2vec2 ${facts.version}`].join(" · ")
      : "wav2vec2";
  if (facts.status == "loading") {
    // The page is there before the model is.
    say("The model is being loaded …");
    return setTimeout(begin, 1000, true);
  }
  if (isAgain) say("The model is loaded.");
  await showModels();
}

begin();
