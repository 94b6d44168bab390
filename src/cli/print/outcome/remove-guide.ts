/** REMOVE.md, beside the manifests of a rendered member: how to remove them in order. */
export const removeGuide = (member: string): string => `# To remove ${member}

Do not run \`kubectl delete -R -f\` on this folder. It deletes in the order of file names: first the policies in
\`10-guard\`, then the filters in \`20-open\`. Until Envoy has dropped the filters, no policy restricts their callers, and
every identity of the other trust domain may call.

1. \`entente render --out .. --remove ${member}\` removes \`20-open\`. Commit it and let your GitOps tool deliver it; or
   \`kubectl delete -f 20-open/\` before you run it.
2. Wait until proxies have acknowledged it: \`istioctl proxy-status\` says \`SYNCED\` for all of them.
3. Run the same command again: it removes \`10-guard\`. Commit it; or \`kubectl delete -f 10-guard/\` before you run it.

With access to the cluster, \`entente uninstall\` and \`entente remove\` do all of this, and prove it.
`
