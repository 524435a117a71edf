import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket

/// Sends a WAV file to a server as if it were being spoken, and prints what is recognized: `Realtime HOST PORT FILE`.
@main
struct Realtime {
    typealias WebSocket = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let port = Int(arguments[2]) else { fatalError("usage: Realtime HOST PORT FILE") }
        let audio = try Data(contentsOf: URL(filePath: arguments[3]))
        let socket = try await open("/v1/live", at: arguments[1], port)
        try await socket.executeThenClose { events, messages in
            async let sent: Void = send(audio, to: messages)
            for try await frame in events where frame.opcode == .text {
                let event = try JSONDecoder().decode(Event.self, from: Data(frame.data.readableBytesView))
                if event.event != "partial" { print(event.text ?? event.message ?? "") }
            }
            try await sent
        }
    }

    struct Event: Decodable {
        var event: String
        var text: String?
        var message: String?
    }

    /// Sends a tenth of a second every tenth of a second, and then the end.
    static func send(_ audio: Data, to messages: NIOAsyncChannelOutboundWriter<WebSocketFrame>) async throws {
        for start in stride(from: 0, to: audio.count, by: 3200) {
            try await messages.write(frame(.binary, audio[start..<min(start + 3200, audio.count)]))
            try await Task.sleep(for: .milliseconds(100))
        }
        try await messages.write(frame(.text, Data("end".utf8)))
    }

    static func frame(_ kind: WebSocketOpcode, _ payload: Data) -> WebSocketFrame {
        WebSocketFrame(fin: true, opcode: kind, maskKey: .random(), data: ByteBuffer(bytes: payload))
    }

    static func open(_ path: String, at host: String, _ port: Int) async throws -> WebSocket {
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: ["Host": "\(host):\(port)"])
        let upgrader = NIOTypedWebSocketClientUpgrader<WebSocket?>(maxFrameSize: 1 << 22) { channel, _ in
            channel.eventLoop.makeCompletedFuture { try WebSocket(wrappingChannelSynchronously: channel) }
        }
        let upgrade = NIOTypedHTTPClientUpgradeConfiguration<WebSocket?>(upgradeRequestHead: head, upgraders: [upgrader]) {
            $0.eventLoop.makeSucceededFuture(nil)
        }
        let connected = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
                        configuration: .init(upgradeConfiguration: upgrade))
                }
            }
        guard let socket = try await connected.get() else { throw CancellationError() }
        return socket
    }
}
