import Foundation
import NIOHTTP1
import TestSupport
import Testing
import W2VBase
import W2VInference

@testable import W2VServing

/// `/openapi.json` describes the routes as they are.
@Suite struct OpenAPITests {
    private static let document = OpenAPIDocument.document(of: Route.all, version: "1.2.3", needsKey: true)

    private static func operation(_ route: Route) -> JSONValue? {
        document["paths"]?[route.path]?[route.method.rawValue.lowercased()]
    }

    @Test func everyRouteIsDescribed() throws {
        let paths = try #require(Self.document["paths"]?.object)
        #expect(Set(paths.keys) == Set(Route.all.map(\.path)))
        #expect(paths.reduce(0) { $0 + ($1.value.object?.keys.count ?? 0) } == Route.all.count)
        #expect(Set(Route.all.map(\.name)).count == Route.all.count)
        for route in Route.all {
            let operation = try #require(Self.operation(route), "\(route.path)")
            #expect(operation["operationId"]?.string == route.name)
            let inQuery = operation["parameters"]?.array?.compactMap { $0["name"]?.string } ?? []
            let form = operation["requestBody"]?["content"]?["multipart/form-data"]?["schema"]
            let fields = form?["properties"]?.object?.keys.map(Parameters.stem) ?? []
            for parameter in route.parameters.all {
                if case .form = route.body {
                    #expect(fields.contains(parameter.name), "\(route.path) \(parameter.name)")
                } else {
                    #expect(inQuery.contains(parameter.name), "\(route.path) \(parameter.name)")
                }
            }
            #expect(operation["security"]?.array?.isEmpty == route.isOpen)
            let statuses = Set(operation["responses"]?.object?.keys ?? [])
            #expect(statuses == Set((route.success.map(\.status) + route.allErrors).map { String($0.code) }))
        }
    }

    @Test func referencesLeadSomewhere() throws {
        let schemas = try #require(Self.document["components"]?["schemas"]?.object)
        var used: Set<String> = []
        func visit(_ value: JSONValue) {
            switch value {
            case .object(let members):
                if let reference = value["$ref"]?.string {
                    used.insert(reference.components(separatedBy: "/").last ?? "")
                }
                for member in members { visit(member.value) }
            case .array(let items): items.forEach(visit)
            default: break
            }
        }
        visit(Self.document)
        #expect(used == Set(schemas.keys))
    }

    /// What each route answers has the form that the document promises.
    @Test func answersAreAsDescribed() async throws {
        try await withServer(windows: WindowOptions(seconds: 2, overlap: 0.5)) { running in
            let served = try await running.send("GET", "/openapi.json")
            #expect(served.status == 200 && served.headers["content-type"] == "application/json")
            let document = try JSONParser.value(served.body)
            #expect(document["info"]?["version"]?.string == "1.2.3" && document["openapi"]?.string == "3.1.1")
            let schemas = Schemas.all
            let audio = try wave(40_000, seed: 4)
            func expect(_ reply: TestReply, _ path: String, _ method: String = "post") throws {
                let response = document["paths"]?[path]?[method]?["responses"]?[String(reply.status)]
                let type = try #require(reply.headers["content-type"])
                let schema = try #require(response?["content"]?[type]?["schema"], "\(path) \(reply.status) \(type)")
                guard type == Reply.json else { return }
                let faults = Conformance(schemas).faults(of: try JSONParser.value(reply.body), to: schema, at: path)
                #expect(faults.isEmpty, "\(faults)")
            }
            for path in ["/", "/health", "/ready", "/metrics", "/v1/models", "/openapi.json"] {
                try expect(await running.send("GET", path), path, "get")
            }
            try expect(await running.send("GET", "/v1/models/small"), "/v1/models/{id}", "get")
            try expect(await running.send("GET", "/v1/models/other"), "/v1/models/{id}", "get")
            try expect(await running.send("GET", "/health?x=1"), "/health", "get")
            try expect(await running.send("GET", "/v1/live"), "/v1/live", "get")
            for format in ["json", "verbose-json", "text", "srt", "vtt", "ctm", "textgrid"] {
                try expect(await running.send("POST", "/v1/transcribe?format=\(format)", audio), "/v1/transcribe")
            }
            let openAI = "/v1/audio/transcriptions"
            for fields in [
                ["include[]": "logprobs"], ["response_format": "verbose_json"], ["response_format": "text"],
                ["response_format": "srt"], ["response_format": "vtt"],
                ["response_format": "verbose_json", "timestamp_granularities[]": "word"], ["response_format": "xml"],
            ] {
                try expect(await running.send(openAI, file: audio, fields: fields), openAI)
            }
            try expect(await running.send("POST", openAI, audio), openAI)
            for format in ["json", "text", "srt", "vtt", "ctm", "textgrid"] {
                let target = "/v1/align?text=TEA&format=\(format)"
                try expect(await running.send("POST", target, audio), "/v1/align")
            }
            try expect(await running.send("POST", "/v1/align?text=tea", audio), "/v1/align")
            try expect(await running.send("POST", "/v1/transcribe", Data("nothing".utf8)), "/v1/transcribe")
            try expect(await running.send("POST", "/v1/units", audio), "/v1/units")
            try expect(await running.send("POST", "/v1/transcribe"), "/v1/transcribe")
        }
    }

    /// The same for features and units, whose model is pre-trained.
    @Test func featuresAndUnitsAreAsDescribed() async throws {
        try await withTemporaryFolder { folder in
            let url = try SmallModels.checkpoint(in: folder)
            let model = ServedModel(
                facts: RunningServer.facts, writesText: false, hasQuantizer: true,
                recognizer: { throw CancellationError() }, featurizer: { try await .init(checkpoint: url) })
            try await withServer(models: [model]) { running in
                let audio = try wave(40_000, seed: 4)
                for (query, name) in [
                    ("/v1/features?format=json", "Features"), ("/v1/features?format=json&pool=mean", "Features"),
                    ("/v1/units", "Units"), ("/v1/units?groups=separate", "Units"),
                ] {
                    let reply = try await running.send("POST", query, audio)
                    #expect(reply.status == 200, "\(reply.text)")
                    let faults = Conformance(Schemas.all).faults(
                        of: try JSONParser.value(reply.body), to: Schemas.named(name), at: query)
                    #expect(faults.isEmpty, "\(faults)")
                }
            }
        }
    }

    @Test func faultsAreFound() throws {
        let conformance = Conformance(Schemas.all)
        let good = RequestError.loading.line
        #expect(conformance.faults(of: try JSONParser.value(good), to: Schemas.named("Error"), at: "").isEmpty)
        for bad in [
            #"{"error":{"message":"x","type":"y","code":"y"}}"#, #"{"error":"x"}"#, "{}", "3",
            #"{"error":{"message":1,"type":"y","code":"y","param":null}}"#,
            #"{"error":{"message":"x","type":"y","code":"y","param":null,"more":1}}"#,
        ] {
            let value = try JSONParser.value(Data(bad.utf8))
            #expect(!conformance.faults(of: value, to: Schemas.named("Error"), at: "").isEmpty, "\(bad)")
        }
    }
}

/// Compares values with the part of JSON Schema that the API's description uses; members that it does not name are
/// faults.
private struct Conformance {
    private let schemas: JSONObject

    init(_ schemas: JSONObject) { self.schemas = schemas }

    func faults(of value: JSONValue, to schema: JSONValue, at place: String) -> [String] {
        if let name = schema["$ref"]?.string?.components(separatedBy: "/").last {
            guard let named = schemas[name] else { return ["\(place): no schema \(name)"] }
            return faults(of: value, to: named, at: place)
        }
        if let choices = schema["anyOf"]?.array {
            let all = choices.map { self.faults(of: value, to: $0, at: place) }
            return all.contains { $0.isEmpty } ? [] : all.flatMap { $0 }
        }
        let types = schema["type"]?.string.map { [$0] } ?? schema["type"]?.array?.compactMap(\.string) ?? []
        guard types.isEmpty || types.contains(where: { isType(value, $0) }) else {
            return ["\(place): \(value.excerpt) is not \(types)"]
        }
        var faults: [String] = []
        if let values = schema["enum"]?.array, !values.contains(value) { faults.append("\(place): \(value.excerpt)") }
        if let least = schema["minimum"]?.double, let number = value.double, number < least {
            faults.append("\(place): \(number) is below \(least)")
        }
        if let most = schema["maximum"]?.double, let number = value.double, number > most {
            faults.append("\(place): \(number) is above \(most)")
        }
        if let items = schema["items"], let list = value.array {
            for item in list.prefix(50) { faults += self.faults(of: item, to: items, at: place + "[]") }
        }
        if let members = schema["properties"]?.object, let object = value.object {
            for required in schema["required"]?.array?.compactMap(\.string) ?? [] where object[required] == nil {
                faults.append("\(place): lacks \(required)")
            }
            for (key, member) in object {
                guard let expected = members[key] else {
                    faults.append("\(place): has \(key)")
                    continue
                }
                faults += self.faults(of: member, to: expected, at: "\(place).\(key)")
            }
        }
        return faults
    }

    private func isType(_ value: JSONValue, _ type: String) -> Bool {
        switch type {
        case "object": value.object != nil
        case "array": value.array != nil
        case "string": value.string != nil
        case "boolean": value.bool != nil
        case "integer": value.integer != nil
        case "number": value.double != nil
        case "null": value == .null
        default: false
        }
    }
}
