import NIOHTTP1
import W2VBase

/// The description of the API for programs, `/openapi.json`, written from the routes' declarations.
///
/// Source: OpenAPI 3.1.1.
enum OpenAPIDocument {
    /// Returns the document.
    ///
    /// - Parameters:
    ///   - routes: The routes.
    ///   - version: The version of the program.
    ///   - needsKey: Whether the server asks for a key.
    static func document(of routes: [Route], version: String, needsKey: Bool) -> JSONValue {
        var paths = JSONObject()
        for route in routes {
            var path = paths[route.path]?.object ?? JSONObject()
            path[route.method.rawValue.lowercased()] = operation(route, needsKey: needsKey)
            paths[route.path] = .object(path)
        }
        var components: JSONObject = ["schemas": .object(Schemas.all)]
        if needsKey {
            components["securitySchemes"] = [
                "key": ["type": "http", "scheme": "bearer", "description": "One of the server's keys."]
            ]
        }
        return [
            "openapi": "3.1.1",
            "info": [
                "title": "wav2vec2", "version": .string(version),
                "description": "Speech recognition, features, units and alignment with wav2vec 2.0.",
                "license": ["name": "Apache 2.0", "identifier": "Apache-2.0"],
            ],
            "servers": [["url": "/"]], "paths": .object(paths), "components": .object(components),
        ]
    }

    private static func operation(_ route: Route, needsKey: Bool) -> JSONValue {
        var operation: JSONObject = [
            "operationId": .string(route.name), "summary": .string(route.help + "."),
            "responses": responses(route),
        ]
        var parameters: [JSONValue] = []
        if route.path.hasSuffix("{id}") {
            parameters.append(["name": "id", "in": "path", "required": true, "schema": ["type": "string"]])
        }
        if case .form = route.body {
        } else {
            parameters += route.parameters.all.map { parameter in
                var object: JSONObject = [
                    "name": .string(parameter.name), "in": "query", "description": .string(parameter.help + "."),
                    "schema": schema(parameter),
                ]
                if parameter.isRequired { object["required"] = true }
                return .object(object)
            }
        }
        if !parameters.isEmpty { operation["parameters"] = .array(parameters) }
        switch route.body {
        case .none: break
        case .recording:
            operation["requestBody"] = [
                "required": true,
                "description":
                    "A recording in any format that can be read; the parameters may also be fields of the form.",
                "content": [
                    // Programs that write clients know bytes by this format.
                    "application/octet-stream": ["schema": ["type": "string", "format": "binary", "minLength": 1]],
                    "multipart/form-data": ["schema": form([])],
                ],
            ]
        case .form:
            operation["requestBody"] = [
                "required": true, "content": ["multipart/form-data": ["schema": form(route.parameters.all)]],
            ]
        }
        if needsKey {
            let key: JSONValue = ["key": []]
            operation["security"] = .array(route.isOpen ? [] : [key])
        }
        return .object(operation)
    }

    /// Returns the schema of a form with a file and these fields.
    private static func form(_ fields: [Parameter]) -> JSONValue {
        var members: JSONObject = [
            "file": [
                "type": "string", "format": "binary", "contentMediaType": "application/octet-stream",
                "description": "The recording.",
            ]
        ]
        for field in fields {
            guard var object = schema(field).object else { continue }
            object["description"] = .string(field.help + ".")
            members[field.isList ? field.name + "[]" : field.name] = .object(object)
        }
        let required = ["file"] + fields.filter(\.isRequired).map(\.name)
        return [
            "type": "object", "properties": .object(members), "required": .array(required.map(JSONValue.string)),
            "additionalProperties": false,
        ]
    }

    /// Returns the schema of a parameter's values.
    private static func schema(_ parameter: Parameter) -> JSONValue {
        var schema: JSONObject
        switch parameter.kind {
        case .text(let longest):
            schema = ["type": "string", "maxLength": .integer(longest)]
            // An empty value counts as none.
            if parameter.isRequired { schema["minLength"] = 1 }
            if let pattern = parameter.pattern { schema["pattern"] = .string(pattern) }
        case .flag: schema = ["type": "boolean"]
        case .integer(let range):
            schema = [
                "type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound),
            ]
        case .number(let range):
            schema = ["type": "number", "minimum": .number(range.lowerBound), "maximum": .number(range.upperBound)]
        case .choice(let values): schema = ["type": "string", "enum": .array(values.map(JSONValue.string))]
        case .ignored: schema = [:]
        }
        if let usual = parameter.usual {
            schema["default"] =
                switch parameter.kind {
                case .flag: .bool(usual == "true")
                case .integer: .integer(Int(usual) ?? 0)
                case .number: .number(Double(usual) ?? 0)
                case .text, .choice, .ignored: .string(usual)
                }
        }
        return parameter.isList ? ["type": "array", "items": .object(schema)] : .object(schema)
    }

    private static func responses(_ route: Route) -> JSONValue {
        var responses = JSONObject()
        for success in route.success {
            var object: JSONObject = ["description": .string(success.help + ".")]
            if !success.contents.isEmpty {
                object["content"] = .object(
                    JSONObject(inOrder: success.contents.map { ($0.type, ["schema": $0.schema]) }))
            }
            if !route.parameters.all.filter(\.isIgnored).isEmpty {
                object["headers"] = [
                    "Ignored-Parameters": [
                        "description": "The given parameters that have no effect.", "schema": ["type": "string"],
                    ]
                ]
            }
            responses[String(success.status.code)] = .object(object)
        }
        for status in route.allErrors where responses[String(status.code)] == nil {
            responses[String(status.code)] = [
                "description": .string(status.reasonPhrase + "."),
                "content": [Reply.json: ["schema": Schemas.named("Error")]],
            ]
        }
        return .object(responses)
    }
}
