// The same client in JavaScript, for browsers and for Node.js from version 22.

/** Sends a WAV file (an ArrayBuffer) as if it were being spoken; `print` gets the text of each final event. */
export function recognize(address, file, print) {
    return new Promise((resolve, reject) => {
        const socket = new WebSocket(address);
        let problem = "the connection was lost";
        socket.onmessage = ({ data }) => {
            const event = JSON.parse(data);
            if (event.event === "final") print(event.text);
            if (event.event === "error") problem = event.message;
        };
        socket.onopen = async () => {
            for (let start = 0; start < file.byteLength; start += 3200) {
                if (socket.readyState !== WebSocket.OPEN) return;
                socket.send(file.slice(start, start + 3200));
                await new Promise((next) => setTimeout(next, 100));
            }
            socket.send("end");
        };
        socket.onclose = ({ code }) => (code === 1000 ? resolve() : reject(new Error(`${problem} (${code})`)));
    });
}
