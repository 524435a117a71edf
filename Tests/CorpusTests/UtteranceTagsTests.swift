import Foundation
import TestSupport
import Testing

@testable import W2VCorpus

@Suite(.onTestThreads) struct UtteranceTagsTests {
    private static func text(_ error: any Error) -> String { "\(error)" }

    @Test func objectsHaveThemByKey() throws {
        let corpus = try TestCorpus()
        let lines = try corpus.write(
            "a.jsonl",
            """
            {"audio_filepath": "1.wav", "duration": 1, "text": "a", "speaker": "ann", "take": 3}
            {"audio_filepath": "2.wav", "duration": 1, "text": "b", "speaker": "b\\u00e9a", "take": null}
            {"audio_filepath": "3.wav", "duration": 1, "text": "c", "take": 12, "nested": {"x": 1}}

            """)
        let manifest = try Manifest.read(lines)
        #expect(try UtteranceTags.read("speaker", of: manifest) == ["ann", "béa", nil])
        #expect(try UtteranceTags.read("take", of: manifest) == ["3", nil, "12"])
        for tag in ["dialect", "nested"] {
            #expect { try UtteranceTags.read(tag, of: manifest) } throws: {
                Self.text($0).contains("its utterances have no tag \"\(tag)\": no utterance has it")
            }
        }
        let list = try corpus.write(
            "b.json",
            """
            [{"transcript": "x", "speaker": "s1", "files": [{"fname": "1.wav", "duration": 1}, {"fname": "2.wav",
             "duration": 1}]}, {"transcript": "y", "speaker": "s2", "files": [{"fname": "3.wav", "duration": 1}]}]
            """)
        #expect(try UtteranceTags.read("speaker", of: Manifest.read(list)) == ["s1", "s1", "s2"])
        let both = try Manifest.joined([(Manifest.read(list), 1), (manifest, 2)])
        #expect(try UtteranceTags.read("speaker", of: both) == ["s1", "s1", "s2", "ann", "béa", nil])
    }

    @Test func kaldiHasThemInFiles() throws {
        let corpus = try TestCorpus()
        try corpus.write("kaldi/wav.scp", "u1 1.wav\nu2 2.wav\nu3 3.wav\n")
        try corpus.write("kaldi/utt2dur", "u1 1\nu2 1\nu3 1\n")
        try corpus.write("kaldi/utt2spk", "u1 ann\nu2 bob\nu3 ann\n")
        try corpus.write("kaldi/utt2lang", "u3 fr\nu1 en\n")
        try corpus.write("kaldi/spk2gender", "ann f\nbob m\n")
        let manifest = try Manifest.read(corpus.file("kaldi"))
        #expect(try UtteranceTags.read("speaker", of: manifest) == ["ann", "bob", "ann"])
        #expect(try UtteranceTags.read("lang", of: manifest) == ["en", nil, "fr"])
        #expect(try UtteranceTags.read("gender", of: manifest) == ["f", "m", "f"])
        #expect { try UtteranceTags.read("age", of: manifest) } throws: {
            Self.text($0).contains("the folder has neither utt2age nor spk2age")
        }
    }

    @Test func tablesHaveThemInColumns() throws {
        let corpus = try TestCorpus()
        let list = try corpus.write("t.tsv", "/audio\na/1.flac\t16000\nb/2.flac\t16000\nb/3.flac\t16000\n")
        let manifest = try Manifest.read(list)
        #expect { try UtteranceTags.read("speaker", of: manifest) } throws: {
            Self.text($0).contains("give a table with the columns path and speaker")
        }
        let table = try corpus.write(
            "tags.tsv", "speaker\tpath\tage\nann\tb/3.flac\t30\nbob\t1\t\nzoe\telsewhere.wav\t99\n")
        #expect(try UtteranceTags.read("speaker", of: manifest, from: table) == ["bob", nil, "ann"])
        #expect(try UtteranceTags.read("age", of: manifest, from: table) == [nil, nil, "30"])
        for (text, complaint) in [
            ("path\tage\n1\t2\n", "tags.tsv:1: expected the columns path and speaker"),
            ("path\tspeaker\n1\n", "tags.tsv:2: expected 2 columns as in the first line"),
            ("path\tspeaker\n1\tx\n1\ty\n", "tags.tsv:3: expected a path that no other line has"),
            ("path\tspeaker\n7\tx\n", "no line of"), ("", "tags.tsv:1: expected the columns path and speaker"),
        ] {
            try corpus.write("tags.tsv", text)
            #expect { try UtteranceTags.read("speaker", of: manifest, from: table) } throws: {
                Self.text($0).contains(complaint)
            }
        }
    }
}
