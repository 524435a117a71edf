import Foundation
import NIOHTTP1
import W2VBase
import W2VFeatures

/// Where units come from.
enum UnitSource: String, CaseIterable, Encodable {
    /// The nearest cluster of a layer's features.
    case clusters
    /// The quantizer's choices.
    case codes
}

/// A format of units in a response.
enum UnitFormat: String, CaseIterable {
    case json, text, km

    var contentType: String { self == .json ? Reply.json : Reply.text }
}

/// A form of writing the choices of several groups.
enum UnitGroups: String, CaseIterable {
    case joined, separate
}

extension ServedModel {
    /// The units that the model can make.
    var units: [UnitSource] { (clusters == nil ? [] : [.clusters]) + (hasQuantizer ? [.codes] : []) }
}

extension Route {
    /// `POST /v1/units`: the units of a recording.
    static let units = Route(
        method: .POST, path: "/v1/units", name: "units",
        help: "Returns the discrete units of a recording: clusters of a layer's features, or the quantizer's codes",
        parameters: ParameterList([
            Parameter(
                name: "source", kind: .choice(UnitSource.allCases.map(\.rawValue)),
                help: "Kind of units; clusters if the server has some for the model, otherwise codes"),
            .format(UnitFormat.self, usual: .json),
            Parameter(
                name: "collapse", kind: .flag, help: "Whether to write one unit for each run of equal units",
                usual: "false"),
            Parameter(
                name: "groups", kind: .choice(UnitGroups.allCases.map(\.rawValue)),
                help: "How to write the entries of several code books: as one number, or such as 3-14",
                usual: UnitGroups.joined.rawValue),
            .model, .filename,
        ]),
        body: .recording,
        success: [
            Success(
                help: "The units",
                contents: [(Reply.json, Schemas.named("Units")), (Reply.text, Schemas.plain)])
        ]
    ) { call in
        let core = call.core
        let (upload, model) = try await core.receive(call, for: .features) { model, parameters in
            let wanted = parameters.choice("source", of: UnitSource.self)
            return wanted.map(model.units.contains) ?? !model.units.isEmpty
        }
        let served = core.store.models[model]
        let parameters = upload.parameters
        let source = parameters.choice("source", of: UnitSource.self) ?? served.units[0]
        let groups = parameters.choice("groups", of: UnitGroups.self) ?? .joined
        let found: (sequence: [String], rate: Double, seconds: Double)
        do {
            found = try await core.units(upload, by: model, from: source, isJoined: groups == .joined)
        } catch let error as FeatureError {
            throw RequestError.bad(
                error.errorDescription ?? error.problem, error.advice, parameter: "source", type: "unusable_units")
        }
        let isCollapsed = parameters.flag("collapse")
        let format = parameters.choice("format", of: UnitFormat.self) ?? .json
        let body = try await core.text { write in
            let all = UnitSequence(name: upload.name, symbols: found.sequence)
            let sequence = isCollapsed ? all.collapsed : all
            switch format {
            case .text: write(sequence.line(.text))
            case .km: write(sequence.line(.km))
            case .json:
                let units = sequence.symbols.map { symbol in Int(symbol).map(JSONValue.integer) ?? .string(symbol) }
                let members: JSONObject = [
                    "file": .string(upload.name), "model": .string(served.name), "source": .string(source.rawValue),
                    "rate": .number(found.rate), "units": .array(units),
                ]
                write(JSONValue.object(members).line)
            }
            write("\n")
        }
        return .reply(Reply(contentType: format.contentType, body: body, audioSeconds: found.seconds))
    }
}
