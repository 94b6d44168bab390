import type { IncomingMessage } from 'node:http'

/** The body as text. @param tooLarge the error to throw once it has more than `maxBytes` */
export async function readBody(response: IncomingMessage, maxBytes: number, tooLarge: (message: string) => Error): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    const piece: Buffer = chunk
    bytes += piece.length
    if (bytes > maxBytes) {
      response.destroy()
      throw tooLarge(`an answer of more than ${maxBytes >> 20} MiB`)
    }
    chunks.push(piece)
  }
  return Buffer.concat(chunks).toString('utf8')
}
