// The files that a transcript is saved as: those of `wav2vec2 transcribe --format`, with the corrections.

/** Writes a transcript as "txt", "srt", "vtt" or "json". */
export function written(transcript, format, name) {
  return formats[format].write(transcript, name);
}

/** The media types of the formats. */
export const mediaType = format => formats[format].type;

const formats = {
  txt: { type: "text/plain", write: transcript => transcript.text + "\n" },
  srt: {
    type: "application/x-subrip",
    write: transcript => captions(transcript.words, transcript.separator)
      .map(({ text, start, end }, index) => `${index + 1}\n${clock(start, ",")} --> ${clock(end, ",")}\n${text}\n`)
      .join("\n"),
  },
  vtt: {
    type: "text/vtt",
    write: transcript => "WEBVTT\n" + captions(transcript.words, transcript.separator)
      .map(({ text, start, end }) => `\n${clock(start, ".")} --> ${clock(end, ".")}\n${escaped(text)}\n`)
      .join(""),
  },
  json: {
    type: "application/json",
    write: (transcript, name) => JSON.stringify({
      confidence: transcript.confidence ?? mean(transcript.words.map(word => word.confidence)),
      duration: transcript.duration,
      file: name,
      text: transcript.text,
      words: transcript.words.map(({ confidence, corrected, end, start, text }) =>
        corrected ? { confidence, corrected, end, start, text } : { confidence, end, start, text }),
    }) + "\n",
  },
};

/**
 * Groups words into captions, as the program does: one ends where the next word would not fit into two lines of 42
 * characters or 6 s, and before a pause of a second. `text` has the lines.
 */
export function captions(words, separator = " ", { length = 42, lines = 2, seconds = 6, pause = 1 } = {}) {
  const groups = [];
  for (const word of words) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    if (group && word.end - group[0].start <= seconds && word.start - last.end < pause
        && wrapped([...group, word], separator, length).length <= lines) {
      group.push(word);
    } else {
      groups.push([word]);
    }
  }
  return groups.map(group => ({
    text: balanced(group, separator, length).join("\n"), start: group[0].start, end: group.at(-1).end,
  }));
}

/** The lines of a caption, as equally long as its words allow. */
function balanced(words, separator, length) {
  const lines = wrapped(words, separator, length);
  if (lines.length < 2) return lines;
  let [shortest, longest] = [Math.max(1, ...words.map(word => characters(word.text))), length];
  while (shortest < longest) {
    const middle = Math.floor((shortest + longest) / 2);
    if (wrapped(words, separator, middle).length > lines.length) shortest = middle + 1;
    else longest = middle;
  }
  return wrapped(words, separator, shortest);
}

function wrapped(words, separator, length) {
  const lines = [];
  for (const { text } of words) {
    if (lines.length && characters(lines.at(-1)) + characters(separator) + characters(text) <= length) {
      lines[lines.length - 1] += separator + text;
    } else {
      lines.push(text);
    }
  }
  return lines;
}

const segmenter = globalThis.Intl?.Segmenter && new Intl.Segmenter();
// What a reader takes for one character may be several code points.
const characters = text => segmenter ? [...segmenter.segment(text)].length : [...text].length;

const escaped = text => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const mean = numbers => numbers.length ? numbers.reduce((sum, number) => sum + number, 0) / numbers.length : 0;

function clock(seconds, separator) {
  const total = Math.round(Math.max(seconds, 0) * 1000);
  const padded = (number, width = 2) => String(Math.floor(number)).padStart(width, "0");
  return padded(total / 3_600_000) + ":" + padded(total / 60_000 % 60) + ":" + padded(total / 1000 % 60) + separator
    + padded(total % 1000, 3);
}
