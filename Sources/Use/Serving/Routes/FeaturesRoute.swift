import Foundation
import NIOHTTP1
import W2VBase
import W2VFeatures

/// A format of features in a response.
enum FeatureFormat: String, CaseIterable {
    /// NumPy's: one array [frames, dimension], or [dimension] if frames were pooled.
    case npy
    case json

    var contentType: String { self == .npy ? Reply.bytes : Reply.json }
}

extension Reply {
    static let bytes = "application/octet-stream"
}

extension Route {
    /// `POST /v1/features`: the output of a layer.
    static let features = Route(
        method: .POST, path: "/v1/features", name: "features",
        help: "Returns the output of a layer of the model, frame by frame or pooled",
        parameters: ParameterList([
            Parameter(
                name: "layer", kind: .text(longest: 20),
                help: "Layer: a number from 0 (the input of the first), extractor, normalized or context",
                usual: FeatureLayer.context.description, pattern: "^([0-9]{1,4}|extractor|normalized|context)$"),
            Parameter(
                name: "pool", kind: .choice(Pooling.allCases.map(\.rawValue)),
                help: "Pooling of the frames into one vector", usual: Pooling.none.rawValue),
            Parameter(
                name: "upsample", kind: .flag,
                help: "Whether the frames of an Hourglass's shortened layers are repeated to the rate of the others",
                usual: "false"),
            .format(FeatureFormat.self, usual: .npy),
            Parameter(
                name: "dtype", kind: .choice(NumPyFile.Element.allCases.map(\.rawValue)),
                help: "Number format of npy", usual: NumPyFile.Element.float32.rawValue),
            .model, .filename,
        ]),
        body: .recording,
        success: [
            Success(
                help: "The array",
                contents: [(Reply.bytes, Schemas.bytes), (Reply.json, Schemas.named("Features"))])
        ]
    ) { call in
        let core = call.core
        let (upload, model) = try await core.receive(call, for: .features)
        let parameters = upload.parameters
        let name = parameters["layer"] ?? ""
        guard let layer = FeatureLayer(name) else {
            throw RequestError.bad(
                "There is no layer \"\(name)\"", "give a number, extractor, normalized or context",
                parameter: "layer")
        }
        let format = parameters.choice("format", of: FeatureFormat.self) ?? .npy
        let element = parameters.choice("dtype", of: NumPyFile.Element.self) ?? .float32
        let request = FeatureRequest(
            [layer], pooling: parameters.choice("pool", of: Pooling.self) ?? .none,
            upsamples: parameters.flag("upsample"))
        let seconds: Double
        let result: LayerFeatures
        do {
            (result, seconds) = try await core.features(upload, by: model, request, isText: format == .json)
        } catch let error as FeatureError {
            throw RequestError.bad(
                error.errorDescription ?? error.problem, error.advice, parameter: "layer", type: "unusable_layer")
        }
        let modelName = core.store.models[model].name
        let body: Data
        switch format {
        case .npy:
            body = try await core.work {
                if element == .float16, try !result.values.to(dtype: .float16).isFinite() {
                    throw RequestError.bad(
                        "The features exceed the largest number of float16", "use float32", parameter: "dtype")
                }
                return try NumPyFile.data(result.values, as: element)
            }
        case .json:
            body = try await core.text { write in
                let members: JSONObject = [
                    "dimension": .integer(result.dimension), "file": .string(upload.name),
                    "frames": .integer(result.frames), "layer": .string(layer.description), "model": .string(modelName),
                    "rate": .number(result.rate),
                ]
                write(String(JSONValue.object(members).line.dropLast()) + ",\"values\":")
                try Route.write(result, to: write)
                write("}\n")
            }
        }
        return .reply(Reply(contentType: format.contentType, body: body, audioSeconds: seconds))
    }

    /// Writes features as lists of numbers, with the digits that tell FP32 numbers apart.
    private static func write(_ features: LayerFeatures, to body: (String) -> Void) throws {
        let values = try features.values.elements(Float.self)
        let width = features.dimension
        let isPooled = features.values.rank == 1
        if !isPooled { body("[") }
        for start in stride(from: 0, to: values.count, by: width) {
            let row = values[start..<start + width].map(\.description).joined(separator: ",")
            body((start == 0 ? "[" : ",[") + row + "]")
        }
        if !isPooled { body("]") }
    }
}
