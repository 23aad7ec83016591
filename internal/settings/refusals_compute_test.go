package settings

var refusalsOfCompute = []refusal{
	{
		name: "a cluster of a size with a space",
		edit: set("compute", `[{"vmSize":"Standard D4"}]`),
		want: `compute[0].vmSize: "Standard D4" is not a VM size`,
	},
	{
		name: "a cluster of no nodes",
		edit: set("compute", `[{},{"name":"gpu","maxNodes":-1}]`),
		want: "compute[1].maxNodes: -1",
	},
	{
		name: "a cluster that is no list",
		edit: set("compute", `{"maxNodes":1}`),
		want: "compute: is not a list of objects; begin each with a hyphen",
	},
	{
		name: "a cluster that ends in a hyphen",
		edit: set("compute", `[{"name":"gpu-"}]`),
		want: `compute[0].name: "gpu-" is not a name that Azure takes`,
	},
	{
		name: "two clusters without a name",
		edit: set("compute", `[{},{}]`),
		want: `compute[1].name: "ml-cluster" is the name of another cluster`,
	},
	{
		name: "two names that Azure takes for one",
		edit: set("compute", `[{"name":"GPU"},{"computeId":"`+aCluster+`"}]`),
		want: `compute[1].name: "gpu" is the name of another cluster`,
	},
	{
		name: "more nodes at least than at most",
		edit: set("compute", `[{"minNodes":3,"maxNodes":2}]`),
		want: "compute[0].minNodes: 3 is more than maxNodes, which is 2",
	},
	{
		name: "nodes that are kept and taken back",
		edit: set("compute", `[{"minNodes":1,"lowPriority":true}]`),
		want: "compute[0].minNodes: 1 nodes cannot be kept of a low priority",
	},
	{
		name: "a size of a cluster that exists",
		edit: set("compute", `[{"vmSize":"Standard_X","computeId":"`+aCluster+`"}]`),
		want: "compute[0].computeId: names a cluster that exists, and beside it stands what is for one",
	},
	{
		name: "a cluster that is none",
		edit: set("compute", `[{"computeId":"`+storageID+`"}]`),
		want: "compute[0].computeId: \"" + storageID + "\" is the id of a Microsoft.Storage/storageAccounts",
	},
}
