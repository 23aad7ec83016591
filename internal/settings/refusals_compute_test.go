package settings

var refusalsOfCompute = []refusal{
	{
		name: "a cluster of a size with a space",
		edit: set("compute", `{"vmSize":"Standard D4"}`),
		want: `compute.vmSize: "Standard D4" is not a VM size`,
	},
	{
		name: "a cluster of no nodes",
		edit: set("compute", `{"maxNodes":-1}`),
		want: "compute.maxNodes: -1",
	},
}
