import Foundation
import NIOHTTP1

/// Routes a request, answers every error with a sentence, and reports the request.
struct RequestHandler: Responder {
    let core: ServerCore

    func answer(_ request: Request) async -> Answer {
        let began = ContinuousClock.now
        core.metrics.requestBegins()
        let target = RequestTarget(request.head.uri)
        let matching = Route.all.filter { $0.identifier(in: target.path) != nil }
        let route = matching.first?.path ?? "other"
        var origin: String?
        var reply: Reply
        do {
            origin = try core.access.check(request.headers, host: target.host, isEncrypted: request.isEncrypted)
            switch try await answer(request, target, matching, isForeign: origin != nil) {
            case .webSocket(let upgrade): return .webSocket(upgrade)
            case .reply(let answer): reply = answer
            }
        } catch {
            var error = RequestError(error)
            // The request was abandoned because the server is stopping.
            if error.type == RequestError.gone.type, core.isStopping, !request.body.isClientGone { error = .stopping }
            core.tell(error, path: target.path, identifier: request.identifier)
            reply = error.reply
        }
        if let origin {
            for (name, value) in AccessRules.headers(for: origin) where !reply.headers.contains(name: name) {
                reply.headers.add(name: name, value: value)
            }
        }
        let served = ServedRequest(
            request, path: target.path, status: Int(reply.status.code), audioSeconds: reply.audioSeconds, since: began)
        if case .bytes = reply.body {
            core.finished(served, route: route)
        } else {
            reply.onEnd = { [core, seconds = reply.streamedSeconds] isComplete in
                var served = served
                served.seconds = (ContinuousClock.now - began) / .seconds(1)
                served.audioSeconds = seconds?() ?? served.audioSeconds
                if !isComplete { served.status = Int(RequestError.gone.status.code) }
                core.finished(served, route: route)
            }
        }
        return .reply(reply)
    }

    func refusal(_ error: RequestError, client: String, identifier: String) -> Reply {
        core.metrics.requestBegins()
        core.finished(
            ServedRequest(
                method: "-", path: "-", status: Int(error.status.code), audioSeconds: 0, seconds: 0, client: client,
                identifier: identifier), route: "other")
        return error.reply
    }

    private func answer(
        _ request: Request, _ target: RequestTarget, _ matching: [Route], isForeign: Bool
    ) async throws -> Answer {
        if request.method == .OPTIONS, isForeign { return .reply(AccessRules.preflight(request.headers)) }
        if let keys = core.options.keys, !matching.contains(where: \.isOpen) { try keys.check(request.headers) }
        guard !matching.isEmpty else {
            let routes = Route.all.map { "\($0.method.rawValue) \($0.path)" }
            if target.path == Route.translations { throw RequestError.noTranslations }
            throw RequestError(
                status: .notFound, type: "not_found",
                "There is no \(target.path)", "the routes are \(routes.joined(separator: ", "))",
                routes: routes)
        }
        let method = request.method == .HEAD ? .GET : request.method
        guard let route = matching.first(where: { $0.method == method }) else {
            let allowed = matching.map(\.method.rawValue).joined(separator: ", ")
            throw RequestError(
                status: .methodNotAllowed, type: "method_not_allowed",
                "\(target.path) answers to \(allowed), not to \(request.method.rawValue)",
                headers: ["Allow": allowed])
        }
        let call = Call(
            core: core, request: request, path: target.path, identifier: route.identifier(in: target.path) ?? "",
            names: route.parameters, query: target.query)
        // Checked before an upload arrives; live input reports errors over its WebSocket, where browsers can see them.
        if route.path != LiveSocket.path { _ = try call.parameters() }
        return try await route.answer(call)
    }
}
