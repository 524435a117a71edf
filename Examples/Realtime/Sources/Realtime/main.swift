// Streams a WAV file to a server and prints the text as it becomes final: Realtime HOST PORT FILE. (The server reads a
// file at the speed at which it recognizes it; a microphone's samples would be sent as they come.)
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket

typealias Socket = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>
let (host, port) = (CommandLine.arguments[1], Int(CommandLine.arguments[2]) ?? 8080)
let audio = try Data(contentsOf: URL(filePath: CommandLine.arguments[3]))
let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/v1/live", headers: ["Host": "\(host):\(port)"])

let client = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
let socket = try await client.connect(host: host, port: port) { channel in
    channel.eventLoop.makeCompletedFuture {
        let upgrader = NIOTypedWebSocketClientUpgrader(maxFrameSize: 1 << 22) { channel, _ in
            channel.eventLoop.makeCompletedFuture { try Socket(wrappingChannelSynchronously: channel) }
        }
        let upgrade = NIOTypedHTTPClientUpgradeConfiguration(upgradeRequestHead: head, upgraders: [upgrader]) {
            $0.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
        }
        return try channel.pipeline.syncOperations
            .configureUpgradableHTTPClientPipeline(configuration: .init(upgradeConfiguration: upgrade))
    }
}.get()

func message(_ opcode: WebSocketOpcode, _ payload: Data) -> WebSocketFrame {
    WebSocketFrame(fin: true, opcode: opcode, maskKey: .random(), data: ByteBuffer(bytes: payload))
}
try await socket.executeThenClose { events, messages in
    let pieces = stride(from: 0, to: audio.count, by: 3200).map { audio[$0..<min($0 + 3200, audio.count)] }
    async let sent: Void = messages.write(
        contentsOf: pieces.map { message(.binary, $0) } + [message(.text, Data("end".utf8))])
    for try await frame in events where frame.opcode == .text {
        let event = try JSONSerialization.jsonObject(with: Data(frame.data.readableBytesView)) as? [String: Any]
        if event?["event"] as? String == "final", let text = event?["text"] { print(text) }
    }
    try await sent
}
