// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "CustomFamily",
    dependencies: [.package(name: "wav2vec2", path: "../..")],
    targets: [
        .executableTarget(
            name: "CustomFamily",
            dependencies: ["Interchange", "Objectives", "Wav2Vec2", "Torch"].map {
                .product(name: $0, package: "wav2vec2")
            })
    ]
)
