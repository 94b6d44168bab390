/** What names the federation file in a command to paste; empty for the default. */
export const fileFlag = (file: string): string => (file === 'federation.yaml' ? '' : ` -f ${file}`)
