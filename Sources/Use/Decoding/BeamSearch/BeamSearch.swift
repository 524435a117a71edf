import Foundation

/// The state of a search through one utterance.
///
/// Texts and prefixes of words are nodes of two tries, so that a hypothesis is a few numbers, and two hypotheses are
/// equal if their numbers are: no text is built or compared until the end.
struct BeamSearch {
    static let ln10 = 2.302585092994046
    /// The lower bound of label scores: ln 10⁻¹⁵.
    private static let lowest = Float(-34.538776394910684)

    private struct Beam {
        /// The finished words, as a node of the text trie.
        var text: Int32
        /// The prefix of the next word, as a node of the part trie; the root for none.
        var part: Int32
        /// The label of the last frame; none before the first.
        var last: Int32
        /// The times of the finished words, as a linked list that ends at ``SearchCode/none``.
        var times: Int32
        /// The first frame of the open word; none outside of a word.
        var start: Int32
        /// The frame after the open word's last; none outside of a word.
        var end: Int32
        /// The open word, as a node of the part trie, if every label is a word.
        var letters = SearchCode.root
        /// A hash of all letters and word ends: the same text may be spelled in several ways.
        var spelling: UInt32 = 0
        var logit: Double

        /// Adds a label to the spelling.
        @inline(__always) mutating func spell(_ label: Int32) {
            spelling = (spelling &+ UInt32(bitPattern: label &+ 1) &+ 1) &* 0x9E37_79B1
        }

        /// Adds the end of a word to the spelling.
        @inline(__always) mutating func spellWordEnd() { spell(SearchCode.none) }
    }

    private let decoder: BeamSearchDecoder
    private let options: BeamSearchOptions
    private let blank: Int32
    private let boundary: Int32
    private let labelsAreWords: Bool
    private let mustKnow: Bool
    /// Whether letters may stand for a word that is written differently.
    private let hasRespelled: Bool
    /// The labels that are never written, except the blank.
    private let silent: [Int]
    private let isSilent: [Bool]
    private var parts: PartArena
    private var texts: TextArena
    /// The frames and letters of finished words.
    private var times: [(previous: Int32, start: Int32, end: Int32, part: Int32)] = []
    private var beams = [
        Beam(
            text: SearchCode.root, part: SearchCode.root, last: SearchCode.none, times: SearchCode.none,
            start: SearchCode.none, end: SearchCode.none, logit: 0)
    ]
    private var candidates: [Beam] = []
    /// The candidates' scores: acoustic score, language model score, and all bonuses.
    private var scores: [Double] = []
    private var chosen: [Int] = []
    // A hash table from (text, part) to the candidate of the current label; a slot is occupied if its stamp is current.
    private var slots: [Int32] = []
    private var stamps: [UInt32] = []
    private var stamp: UInt32 = 0
    /// The number of nodes at which unreachable ones are dropped.
    private var room: Int
    private let leastRoom: Int

    /// Starts before the first frame.
    ///
    /// - Parameter room: The number of texts, prefixes of words and times that are kept before unreachable ones are
    ///   dropped.
    init(_ decoder: BeamSearchDecoder, room: Int = 1 << 19) {
        self.room = room
        leastRoom = room
        self.decoder = decoder
        options = decoder.options
        blank = Int32(decoder.alphabet.blank)
        boundary =
            decoder.alphabet.wordBoundary.map { Int32($0) }
            ?? (decoder.alphabet.isSpelled ? SearchCode.endlessWord : SearchCode.labelsAreWords)
        labelsAreWords = boundary == SearchCode.labelsAreWords
        mustKnow = !decoder.options.allowsUnknownWords && decoder.lexicon != nil
        silent = decoder.alphabet.otherSilentLabels
        isSilent = decoder.alphabet.symbols.indices.map(Set(silent).contains)
        hasRespelled = decoder.lexicon?.respelled.isEmpty == false
        parts = PartArena(decoder)
        texts = TextArena(decoder)
        var size = 256
        while size < decoder.options.beamWidth * 4 { size *= 2 }
        slots = Array(repeating: -1, count: size)
        stamps = Array(repeating: 0, count: size)
    }

    // MARK: - A frame

    mutating func step(_ row: UnsafeBufferPointer<Float>, frame: Int) throws(DecoderError) {
        var best = 0
        for (label, score) in row.enumerated() {
            if score.isNaN { throw .notANumber(frame: frame, label: label) }
            if score > row[best] { best = label }
        }
        candidates.removeAll(keepingCapacity: true)
        let least = Float(options.tokenMinLogp)
        // A label that is never written ends a letter like the blank: together they count as one label.
        let quiet = silent.isEmpty ? row[Int(blank)] : decoder.alphabet.silence(in: row, silent)
        for label in row.indices {
            if label == Int(blank) {
                guard label == best || isSilent[best] || quiet >= least else { continue }
                extend(by: blank, Self.clamped(quiet), frame: Int32(frame))
            } else if !isSilent[label], label == best || row[label] >= least {
                extend(by: Int32(label), Self.clamped(row[label]), frame: Int32(frame))
            }
        }
        // There may be no candidate: all labels of this frame lead out of the lexicon.
        if candidates.isEmpty { extend(by: blank, Self.clamped(quiet), frame: Int32(frame)) }
        scores.removeAll(keepingCapacity: true)
        for beam in candidates {
            scores.append(beam.logit + texts.nodes[Int(beam.text)].score + parts.nodes[Int(beam.part)].score)
        }
        prune()
        if texts.nodes.count + parts.nodes.count + times.count > room { forget() }
    }

    private static func clamped(_ logp: Float) -> Double { Double(min(max(logp, lowest), 0)) }

    /// Drops nodes that no hypothesis leads to: in long recordings all hypotheses share all but their last words.
    private mutating func forget() {
        let keptTimes = Survivors(of: beams.map(\.times), among: times.count, keepsFirst: false) { times[$0].previous }
        times = keptTimes.kept(of: times)
        for index in times.indices { times[index].previous = keptTimes[times[index].previous] }
        let keptTexts = texts.keep(beams.map(\.text))
        let keptParts = parts.keep(
            beams.flatMap { [$0.part, parts.key($0.part), $0.letters] } + times.map(\.part) + texts.usedParts)
        texts.renumber(keptParts)
        for index in times.indices { times[index].part = keptParts[times[index].part] }
        for index in beams.indices {
            beams[index].times = keptTimes[beams[index].times]
            beams[index].text = keptTexts[beams[index].text]
            beams[index].part = keptParts[beams[index].part]
            beams[index].letters = keptParts[beams[index].letters]
        }
        room = max(leastRoom, 2 * (texts.nodes.count + parts.nodes.count + times.count))
    }

    private mutating func extend(by label: Int32, _ logp: Double, frame: Int32) {
        stamp &+= 1
        for beam in beams {
            var next = beam
            next.logit += logp
            next.last = label
            if label == blank {
                // The blank ends a label, but adds nothing to the text.
            } else if beam.last == label {
                // A repeated label without a blank in between is one label (the CTC collapse).
                next.end = frame + 1
            } else if label == boundary {
                if beam.part > SearchCode.root {
                    if mustKnow, !parts.isWord(beam.part) { continue }
                    close(&next, beam.part)
                    next.spellWordEnd()
                    next.part = SearchCode.root
                    (next.start, next.end) = (SearchCode.none, SearchCode.none)
                    add(beam.part, to: next)
                    continue
                }
                (next.start, next.end) = (SearchCode.none, SearchCode.none)
            } else if labelsAreWords {
                let part = parts.child(SearchCode.root, label)
                if mustKnow, !parts.isWord(part) { continue }
                if beam.start > SearchCode.none { close(&next, beam.letters) }
                next.spell(label)
                (next.start, next.end, next.letters) = (frame, frame + 1, part)
                add(part, to: next)
                continue
            } else {
                next.part = parts.child(beam.part, label)
                next.spell(label)
                if mustKnow, parts.nodes[Int(next.part)].lexicon == SearchCode.none { continue }
                if beam.start == SearchCode.none { next.start = frame }
                next.end = frame + 1
            }
            merge(next)
        }
    }

    /// Adds a candidate whose text continues with a word, or one for each word that the lexicon has for its letters.
    @inline(__always) private mutating func add(_ part: Int32, to beam: Beam) {
        var next = beam
        guard hasRespelled, let words = parts.respelled(part) else {
            next.text = texts.child(beam.text, part, &parts)
            merge(next)
            return
        }
        for word in words {
            next.text = texts.child(beam.text, part, respelled: word, &parts)
            merge(next)
        }
    }

    /// Ends the open word.
    private mutating func close(_ beam: inout Beam, _ part: Int32) {
        times.append((previous: beam.times, start: beam.start, end: beam.end, part: part))
        beam.times = Int32(times.count - 1)
    }

    /// Adds a candidate, or adds its probability to an equal candidate of the same label.
    ///
    /// - Returns: The candidate's index. As in pyctcdecode, the times are those of the latest beam; if a text can be
    ///   spelled in several ways, times and letters are those of the more probable one.
    @discardableResult private mutating func merge(_ beam: Beam) -> Int {
        let mask = slots.count - 1
        let part = parts.key(beam.part)
        let key = UInt64(UInt32(bitPattern: beam.text)) << 32 | UInt64(UInt32(bitPattern: part))
        var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
        while stamps[slot] == stamp {
            let index = Int(slots[slot])
            if candidates[index].text == beam.text, parts.key(candidates[index].part) == part {
                let sum = Self.sum(candidates[index].logit, beam.logit)
                let isSpelledTheSame = candidates[index].spelling == beam.spelling
                if isSpelledTheSame || beam.logit >= candidates[index].logit { candidates[index] = beam }
                candidates[index].logit = sum
                return index
            }
            slot = (slot + 1) & mask
        }
        stamps[slot] = stamp
        slots[slot] = Int32(candidates.count)
        candidates.append(beam)
        return candidates.count - 1
    }

    /// Returns log(exp a + exp b).
    private static func sum(_ first: Double, _ second: Double) -> Double {
        max(first, second) + log(1 + exp(-abs(first - second)))
    }

    /// Keeps the best candidates.
    private mutating func prune() {
        rank()
        beams.removeAll(keepingCapacity: true)
        guard options.prunesHistory else {
            for index in chosen { beams.append(candidates[index]) }
            return
        }
        var seen: Set<SIMD3<Int32>> = []
        for index in chosen {
            let beam = candidates[index]
            if seen.insert(SIMD3(texts.nodes[Int(beam.text)].history, parts.key(beam.part), beam.last)).inserted {
                beams.append(beam)
            }
        }
    }

    /// Sorts the best candidates, best first; of equal ones the earlier comes first.
    private mutating func rank() {
        var highest = -Double.infinity
        for score in scores { highest = max(highest, score) }
        let least = highest + options.beamPruneLogp
        chosen.removeAll(keepingCapacity: true)
        for index in scores.indices where scores[index] >= least { chosen.append(index) }
        scores.withUnsafeBufferPointer { scores in
            chosen.sort { first, second in
                let (left, right) = (scores[first], scores[second])
                return left > right || left == right && first < second
            }
        }
        if chosen.count > options.beamWidth { chosen.removeLast(chosen.count - options.beamWidth) }
    }

    // MARK: - The end

    /// Returns the best hypotheses, at most `count`.
    mutating func finish(atMost count: Int) -> [Hypothesis] {
        candidates.removeAll(keepingCapacity: true)
        stamp &+= 1
        // A lexicon contains whole words only; if no hypothesis ends in one, the unfinished words are dropped.
        let anyWhole = !mustKnow || beams.contains { $0.part == SearchCode.root || parts.isWord($0.part) }
        var endsInWord: [Bool] = []
        for beam in beams {
            var next = beam
            next.part = SearchCode.root
            let isWhole = !mustKnow || parts.isWord(beam.part)
            let hasPart = beam.part > SearchCode.root
            if hasPart, !isWhole, anyWhole { continue }
            let isOpen = hasPart && isWhole || labelsAreWords && beam.text > SearchCode.root
            func end(_ text: Int32) {
                next.text = text
                let place = merge(next)
                if place < endsInWord.count { endsInWord[place] = isOpen } else { endsInWord.append(isOpen) }
            }
            guard hasPart, isWhole else {
                if labelsAreWords, beam.start > SearchCode.none { close(&next, beam.letters) }
                end(beam.text)
                continue
            }
            close(&next, beam.part)
            next.spellWordEnd()
            if let words = parts.respelled(beam.part) {
                for word in words { end(texts.child(beam.text, beam.part, respelled: word, &parts)) }
            } else {
                end(texts.child(beam.text, beam.part, &parts))
            }
        }
        scores = zip(candidates, endsInWord).map { beam, isOpen in
            beam.logit + texts.finalScore(beam.text, endsInWord: isOpen)
        }
        rank()
        return chosen.prefix(count).map { hypothesis(candidates[$0], score: scores[$0]) }
    }

    private func hypothesis(_ beam: Beam, score: Double) -> Hypothesis {
        var spans: [Range<Int>] = []
        var letters: [[Int]] = []
        var time = beam.times
        while time > SearchCode.none {
            let entry = times[Int(time)]
            spans.append(Int(entry.start)..<Int(entry.end))
            letters.append(parts.labels(entry.part))
            time = entry.previous
        }
        let words = texts.words(beam.text, parts)
        let separator = labelsAreWords ? [] : [Int(boundary)]
        return Hypothesis(
            text: words.joined(separator: " "),
            words: zip(words, spans.reversed()).map { WordSpan(word: $0, frames: $1) },
            labels: Array(letters.reversed().joined(separator: separator)),
            acousticScore: beam.logit, score: score)
    }
}
