// Sends a WAV file as if it were being spoken, and prints what is final: Realtime HOST PORT FILE.
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket

typealias Socket = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

let (host, port, file) = (CommandLine.arguments[1], Int(CommandLine.arguments[2]) ?? 8080, CommandLine.arguments[3])
let opening = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/v1/live", headers: ["Host": "\(host):\(port)"])
let socket = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup).connect(host: host, port: port) {
    channel in
    channel.eventLoop.makeCompletedFuture {
        let upgrader = NIOTypedWebSocketClientUpgrader(maxFrameSize: 1 << 22) { channel, _ in
            channel.eventLoop.makeCompletedFuture { try Socket(wrappingChannelSynchronously: channel) }
        }
        let upgrade = NIOTypedHTTPClientUpgradeConfiguration(upgradeRequestHead: opening, upgraders: [upgrader]) {
            $0.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
        }
        return try channel.pipeline.syncOperations
            .configureUpgradableHTTPClientPipeline(configuration: .init(upgradeConfiguration: upgrade))
    }
}.get()

try await socket.executeThenClose { events, messages in
    @Sendable func send(_ kind: WebSocketOpcode, _ payload: Data) async throws {
        try await messages.write(WebSocketFrame(fin: true, opcode: kind, maskKey: .random(), data: ByteBuffer(bytes: payload)))
    }
    async let sent: Void = {
        let audio = try Data(contentsOf: URL(filePath: file))
        for start in stride(from: 0, to: audio.count, by: 3200) {
            try await send(.binary, audio[start..<min(start + 3200, audio.count)])
            try await Task.sleep(for: .milliseconds(100))
        }
        try await send(.text, Data("end".utf8))
    }()
    for try await frame in events where frame.opcode == .text {
        let event = try JSONSerialization.jsonObject(with: Data(frame.data.readableBytesView)) as? [String: Any]
        if let text = event?["text"], event?["event"] as? String == "final" { print(text) }
    }
    try await sent
}
