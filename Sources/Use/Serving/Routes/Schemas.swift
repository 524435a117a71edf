import W2VBase

/// The schemas of the API's values, by the names under which `/openapi.json` lists them.
///
/// Source: OpenAPI 3.1, whose schemas are those of JSON Schema 2020-12.
enum Schemas {
    /// Returns a reference to a named schema.
    static func named(_ name: String) -> JSONValue { ["$ref": "#/components/schemas/\(name)"] }

    /// Returns the schema of an object whose members are all there, except the optional ones.
    private static func object(_ help: String, _ members: JSONObject, optional: Set<String> = []) -> JSONValue {
        let required = members.keys.filter { !optional.contains($0) }
        return [
            "type": "object", "description": .string(help), "properties": .object(members),
            "required": .array(required.map(JSONValue.string)),
        ]
    }

    private static func list(of schema: JSONValue) -> JSONValue { ["type": "array", "items": schema] }
    private static func one(of values: [String]) -> JSONValue {
        ["type": "string", "enum": .array(values.map(JSONValue.string))]
    }
    private static let string: JSONValue = ["type": "string"]
    private static let number: JSONValue = ["type": "number"]
    private static let integer: JSONValue = ["type": "integer"]
    private static let seconds: JSONValue = ["type": "number", "minimum": 0, "description": "Seconds."]
    private static let confidence: JSONValue = ["type": "number", "minimum": 0, "maximum": 1]

    /// Text as it is.
    static let plain = string
    /// Bytes as they are.
    static let bytes: JSONValue = [:]

    /// Each event of a stream of text. (Before OpenAPI 3.2, the schema of a stream is that of its events.)
    static let textEvent = object(
        "A server-sent event; an error after the first one is an event named error.",
        [
            "data": [
                "type": "string", "contentMediaType": "application/json",
                "contentSchema": ["anyOf": [named("TextDelta"), named("TextDone"), named("Error")]],
            ],
            "event": one(of: ["message", "error"]),
        ], optional: ["event"])

    /// All named schemas.
    static let all = JSONObject(inOrder: [
        ("Error", error),
        ("TimedText", timedText),
        ("Transcription", transcription),
        ("Alignment", alignment),
        ("Features", features),
        ("Units", units),
        ("Usage", usage),
        ("TokenLogprob", tokenLogprob),
        ("OpenAITranscription", openAITranscription),
        ("OpenAIWord", openAIWord),
        ("OpenAISegment", openAISegment),
        ("OpenAIVerboseTranscription", openAIVerboseTranscription),
        ("TextDelta", textDelta),
        ("TextDone", textDone),
        ("Model", model),
        ("ModelList", modelList),
        ("Readiness", readiness),
        ("Health", health),
    ])

    private static let error = object(
        "An error, in the form of OpenAI's API.",
        [
            "error": object(
                "What is wrong, and what to do about it.",
                [
                    "message": string, "type": string,
                    "code": ["type": "string", "description": "The same word as type."],
                    "param": [
                        "type": ["string", "null"], "description": "The parameter that is to blame, if one is.",
                    ],
                    "routes": list(of: string),
                ], optional: ["routes"])
        ])

    private static let timedText = object(
        "A word, a letter or a caption, with its time.",
        ["text": string, "start": seconds, "end": seconds, "confidence": confidence])

    private static let transcription = object(
        "A transcription, as the command transcribe writes it.",
        [
            "file": string, "text": string, "confidence": confidence, "duration": seconds,
            "words": list(of: named("TimedText")), "segments": list(of: named("TimedText")),
            "characters": list(of: named("TimedText")),
        ], optional: ["segments", "characters"])

    private static let alignment = object(
        "The times of a transcript, as the command align writes them.",
        [
            "name": string, "duration": seconds, "words": list(of: named("TimedText")),
            "characters": list(of: named("TimedText")),
        ])

    private static let features = object(
        "The output of a layer.",
        [
            "file": string, "model": string, "layer": string, "frames": integer, "dimension": integer,
            "rate": ["type": "number", "description": "Frames a second, before pooling."],
            "values": [
                "description": "One list for each frame; a single list if frames were pooled.",
                "type": "array", "items": ["anyOf": [list(of: number), number]],
            ],
        ])

    private static let units = object(
        "The units of a recording.",
        [
            "file": string, "model": string, "source": one(of: UnitSource.allCases.map(\.rawValue)),
            "rate": ["type": "number", "description": "Frames a second."],
            "units": [
                "type": "array", "items": ["type": ["integer", "string"]],
                "description": "Numbers; texts such as 3-14 where the code books are written separately.",
            ],
        ])

    private static let usage = object(
        "The length of the recording.",
        ["type": one(of: ["duration"]), "seconds": ["type": "number", "minimum": 0]])

    private static let tokenLogprob = object(
        "A letter and its log-probability; the first one of a word has the space before it.",
        ["token": string, "logprob": number, "bytes": list(of: integer)])

    private static let openAITranscription = object(
        "A transcription in the form of OpenAI's API.",
        ["text": string, "logprobs": list(of: named("TokenLogprob")), "usage": named("Usage")],
        optional: ["logprobs"])

    private static let openAIWord = object("A word.", ["word": string, "start": seconds, "end": seconds])

    private static let openAISegment = object(
        "A caption with Whisper's values, of which those that do not apply are neutral.",
        [
            "id": integer, "seek": integer, "start": seconds, "end": seconds, "text": string,
            "tokens": list(of: integer), "temperature": number, "avg_logprob": number,
            "compression_ratio": number, "no_speech_prob": number,
        ])

    private static let openAIVerboseTranscription = object(
        "A transcription with times in the form of OpenAI's API.",
        [
            "task": one(of: ["transcribe"]),
            "language": ["type": "string", "description": "The given language; empty if none was given."],
            "duration": seconds, "text": string, "segments": list(of: named("OpenAISegment")),
            "words": list(of: named("OpenAIWord")), "usage": named("Usage"),
        ], optional: ["segments", "words"])

    private static let textDelta = object(
        "An event of a stream: more text.",
        [
            "type": one(of: ["transcript.text.delta"]), "delta": string,
            "logprobs": list(of: named("TokenLogprob")),
        ], optional: ["logprobs"])

    private static let textDone = object(
        "The last event of a stream: the whole text.",
        [
            "type": one(of: ["transcript.text.done"]), "text": string,
            "logprobs": list(of: named("TokenLogprob")),
        ], optional: ["logprobs"])

    private static let model = object(
        "A model, in the form of OpenAI's API.",
        [
            "id": string, "object": one(of: ["model"]),
            "created": ["type": "integer", "description": "The start of the server, in seconds since 1970."],
            "owned_by": string,
            "writes_text": ["type": "boolean", "description": "Whether it is fine-tuned, so that it writes text."],
            "units": list(of: one(of: UnitSource.allCases.map(\.rawValue))),
        ])

    private static let modelList = object(
        "All models.", ["object": one(of: ["list"]), "data": list(of: named("Model"))])

    private static let readiness = object(
        "Whether the server answers requests.",
        ["status": one(of: ["ok", "loading", "stopping", "no_storage"])])

    private static let health = object(
        "The state of the server; for requests without one of its keys, the status alone.",
        [
            "status": one(of: ["ok", "loading", "stopping", "no_storage"]), "uptime_seconds": seconds,
            "waiting": integer, "in_flight": integer, "live_inputs": integer, "sample_rate": integer,
            "labels": integer, "model": string, "device": string, "precision": string, "decoder": string,
            "version": string,
            "models": list(
                of: object(
                    "The state of a model.",
                    [
                        "id": string, "state": one(of: ["idle", "loading", "ready", "failed"]),
                        "bytes": ["type": "integer", "minimum": 0],
                    ])),
        ],
        optional: [
            "uptime_seconds", "waiting", "in_flight", "live_inputs", "sample_rate", "labels", "model", "device",
            "precision", "decoder", "version", "models",
        ])
}
